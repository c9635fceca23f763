dnl Asks bouncefilter about all mail. Include this file at the end of sendmail.mc.
dnl
dnl S=   where bouncefilter listens: its option "listen" is then ["unix:/run/bouncefilter/milter.sock"]. Over TCP, as in
dnl      S=inet:8766@127.0.0.1, each command of an SMTP session takes 40 ms longer.
dnl F=T  while bouncefilter is down, clients are told to try again later. Without the T mail would leave unsigned, and its
dnl      bounces would be refused.
dnl T=   how long Sendmail waits: to connect (C), to send (S), for a reply (R), for the reply at the end of a message (E).
INPUT_MAIL_FILTER(`bouncefilter', `S=local:/run/bouncefilter/milter.sock, F=T, T=C:10s;S:10s;R:10s;E:30s')dnl
