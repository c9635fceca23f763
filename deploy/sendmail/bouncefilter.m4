dnl The lines of sendmail.mc for bouncefilter. They stand above the first MAILER line and above other local rules; "bouncefilter
dnl setup sendmail" puts them there with your own domains and socket. Tabs separate the two sides of a rule: copy, do not retype.
dnl bouncefilter begin: lines of "bouncefilter setup sendmail", which changes and removes them
INPUT_MAIL_FILTER(`bouncefilter', `S=local:/run/bouncefilter/milter.sock, F=T, T=C:10s;S:10s;R:10s;E:5m')dnl
LOCAL_CONFIG
C{BouncefilterDomains}example.com
Kbouncefilter regex -q -s1 ^prvs=[0-9]{4}[0-9a-f]{6}=(.+)$
LOCAL_RULE_0
R$+ < @ $={BouncefilterDomains} . >	$: $( bouncefilter $1 $) < @ $2 . >
R$+ < @ $={BouncefilterDomains} >	$: $( bouncefilter $1 $) < @ $2 >
divert(0)dnl
dnl bouncefilter end
