// Command bench measures what bouncefilter costs an MTA, and checks every answer while it does.
//
//	go run ./deploy/bench                       # the whole table: several minutes
//	go run ./deploy/bench -conns 16 -n 5000 -rounds 1
//	go run ./deploy/bench -targets null,bolt    # no Redis on this machine
//	go run ./deploy/bench -tcp -conns 1 -n 2000 # over TCP, with Nagle's algorithm on as Postfix leaves it
//	go run ./deploy/bench -idle 5000            # memory of idle connections instead of messages
//	go run ./deploy/bench -churn 100000         # what connections leave behind that were opened and closed
//	go run ./deploy/bench -announced 300        # what frames of 1 MiB cost that are announced and do not come
//	go run ./deploy/bench -soak 1h              # an hour of mail with faults all the time, see below
//	go run ./deploy/bench -binary /usr/sbin/bouncefilter -json before.json
//	go run ./deploy/bench -extra peer=unix:/run/peer.sock@/run/peer.pid
//
// It plays the MTA: the packets, macros, buffering and write sizes are those of Postfix with milter protocol 6, one
// message a session unless -per-session says otherwise. It builds bouncefilter, starts it once for each store, starts a
// redis-server of its own on a unix socket, and starts a milter that does nothing on the library go-milter (all
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
// # The soak
//
//	go run ./deploy/bench -soak 1h                         # with Redis; as root, because it freezes a disk
//	go run ./deploy/bench -soak 1h -store bolt -seed 2 -json soak.json
//	go run ./deploy/bench -soak 60s -faults reload,reset   # what needs no root, and quickly
//
// -soak measures how many messages of a mix the daemon takes, and then sends half as many (-share) at a steady pace whatever
// the daemon does: what it does not answer in time piles up at the MTA. The mix is outbound mail, ordinary mail, ordinary mail
// to tagged addresses, bounces and read receipts of messages that were signed before, and forged ones, whose tags and
// Message-IDs are made up. All the while, each fault happens on a schedule of its own that the seed determines (-faults):
//
//	restart  Redis, which keeps an append-only file, is ended by SIGTERM or SIGKILL, and comes back within two seconds
//	stop     the process of Redis is stopped for one to five seconds
//	freeze   the file system of daemon and store is frozen for two seconds; it is an ext4 image on a loop device
//	reload   SIGHUP, each minute
//	reset    the MTA resets its connection in the middle of a message, one in 400
//	rotate   bouncefilter key rotate, up to eight times
//	log      the standard error of the daemon is a pipe that is not read, or read too slowly, for up to 30 s
//	scrape   four readers of the metrics at a time
//
// A shorter soak has them more often. Deferred mail, and mail whose connection broke, comes again after two seconds. When the
// time is over, the faults end and what is left has 90 s. The soak passes, and the exit status is 0, only if
//
//   - no message is lost: each genuine one was accepted in the end, and each try was answered within 30 s;
//   - no verdict is wrong: outbound mail is signed, what is genuine is never refused and has its tag removed, a forged bounce is
//     refused, deferred, or accepted for one of the causes incomplete-record, store-unavailable and missing-key, which are
//     counted;
//   - the daemon has not ended, no panic was caught, and each fault has happened;
//   - memory, goroutines, descriptors and the median latency are flat: the median of the last quarter exceeds that of the
//     second quarter by no more than a band that the report states. Below two minutes that is not judged.
//
// Redis that has started again leaves forged bounces of the next ten minutes in doubt, so with "restart" few of them are refused;
// the report has their share, and -store bolt shows what is refused without it.
//
// Latency is from the moment at which a try was due, so that waiting for the daemon counts. Memory is anonymous memory. The
// load generator remembers 20,000 of the signed messages: the last 10,000, and a random sample of all. If the program itself is
// killed while the disk is frozen, "fsfreeze -u" on the mounted directory thaws it.
//
// The program needs Linux: it reads /proc.
package main
