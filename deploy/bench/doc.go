// Command bench measures what bouncefilter costs an MTA, and checks every answer while it does.
//
//	go run ./deploy/bench                       # the whole table: several minutes
//	go run ./deploy/bench -conns 16 -n 5000 -rounds 1
//	go run ./deploy/bench -targets null,bolt    # no Redis on this machine
//	go run ./deploy/bench -tcp -conns 1 -n 2000 # over TCP, with Nagle's algorithm on as Postfix leaves it
//	go run ./deploy/bench -idle 5000            # memory of idle connections instead of messages
//	go run ./deploy/bench -binary /usr/sbin/bouncefilter -json before.json
//	go run ./deploy/bench -extra peer=unix:/run/peer.sock@/run/peer.pid
//
// It plays the MTA: the packets, macros, buffering and write sizes are those of Postfix with milter protocol 6, one
// message a session unless -per-session says otherwise. It builds bouncefilter, starts it once for each store, starts a
// redis-server of its own on a unix socket, and starts a milter that does nothing on the same library (go-milter, all
// events, all replies): the floor that every ratio in the table refers to. All of that lives in a temporary directory
// and ends with the program. Set TMPDIR to choose the disk that the embedded store and the logs are written to.
//
// The scenarios are what a mail server sees most:
//
//	a  outbound mail of an authenticated client, 12 headers and 8 KiB of body, to be signed
//	b  a genuine bounce of 6 KiB to a valid tag, to be accepted and untagged
//	c  forged bounces, to be refused: in turn to a tag whose signature is wrong and to an address without a tag
//	d  ordinary inbound mail, to be let through unchanged
//
// The first wrong answer ends the program with exit status 1, whatever the speed: a milter that is fast because it does
// not do its work has no place in the table. Status 2 means that the benchmark could not be run as asked.
//
// The targets take turns in each round (A B C, B C A, ...) and the table shows medians. Load generator and milters
// share the machine, so messages a second are lower than a milter alone could reach; trust the ratios. CPU time is that
// of the milter's process alone (not of redis-server), counted in ticks of 10 ms: let a run take a second of it or more.
// Latency is from MAIL to the final answer. A round trip is an answer that the MTA has to wait for; that of the
// negotiation, once a session, counts as one.
//
// The program needs Linux: it reads /proc.
package main
