package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nothing lets mail go on for a while.
func nothing(t *testing.T, p *pair) { p.load.await(t, outage) }

// cutOffSigner cuts the host that signs off from the store. The other host gets no message about that. Receipts come to it at once that
// name mail which only the first host has on its disk.
func cutOffSigner(t *testing.T, p *pair) {
	logged := p.in.daemon.process.out.len()
	p.island.cut(t)
	p.load.await(t, outage)
	eventually(t, "the other host counts the first one as silent", func() bool { return strings.Contains(p.in.daemon.process.out.from(logged), "a node is silent") })
	p.load.await(t, outage)
	p.island.join(t)
}

// fillDisk leaves no room for the journal while Redis hangs.
func fillDisk(t *testing.T, p *pair) {
	p.store.single.Pause(t)
	p.load.await(t, 3)
	fill := filepath.Join(p.out.state(), "fill")
	f, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4096, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	f.Close()
	eventually(t, "records are lost", func() bool { return p.out.daemon.metric(t, "bouncefilter_store_lost_records_total") > 0 })
	p.load.await(t, outage)
	p.store.single.Resume(t)
	eventually(t, "the store has the gap on record", func() bool { return p.out.daemon.metric(t, "bouncefilter_store_gap") == 0 })
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
}

// killInMessages kills both daemons at each step of a message that goes out and of a bounce that comes in.
func killInMessages(t *testing.T, p *pair) {
	for _, step := range []string{"", "MAIL", "RCPT", "DATA", "end", "end", "end"} {
		l := p.load
		letter := l.newLetter()
		genuine := &trial{kind: bounce, node: p.in, to: p.world.all()[0].sender}
		genuine.m = newBounce(genuine.to, "")
		out, in := dial(t, internal, p.out.postfix.smtp), dial(t, outsider, p.in.postfix.smtp)
		if r := out.interrupted(step, letter.from, "friend@remote.example", letter.text, func() { p.out.daemon.kill(t) }); r[0] == '2' {
			l.accepted(letter)
		}
		l.judge(genuine, during, in.interrupted(step, "", genuine.to, genuine.m.text, func() { p.in.daemon.kill(t) }))
		out.quit()
		in.quit()
		p.out.daemon.start(t)
		p.in.daemon.start(t)
		l.await(t, 1)
	}
}

// interrupted sends a message and does something after the reply to a command, or before that to the end of the message.
func (c *client) interrupted(step, from, to, text string, do func()) string {
	if step == "" {
		do()
	}
	for _, command := range []string{"MAIL FROM:<" + from + ">", "RCPT TO:<" + to + ">", "DATA"} {
		if r := c.tryCommand(command); r[0] > '3' {
			return r
		}
		if strings.HasPrefix(command, step) && step != "" {
			do()
		}
	}
	if step != "end" {
		return c.tryText(text)
	}
	fmt.Fprintf(c.conn, "%s\r\n.\r\n", strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\r\n"))
	do()
	return c.reply()
}

// killWhileWriting kills the daemon that signs while its journal gets records.
func killWhileWriting(t *testing.T, p *pair) {
	p.store.single.Pause(t)
	for range 2 {
		p.load.await(t, outage/2)
		p.out.daemon.kill(t)
		p.out.daemon.startUntil(t, "/healthz")
		if p.out.daemon.metric(t, "bouncefilter_store_journal_entries") == 0 {
			t.Error("nothing waits in the journal after the start")
		}
	}
	p.load.await(t, outage/2)
	p.store.single.Resume(t)
}

// killWhileReplaying kills the daemon that signs when it has begun to write its journal to the store and has no answer yet.
func killWhileReplaying(t *testing.T, p *pair) {
	const tooLong, longEnough = int64(5 * time.Second), int64(250 * time.Millisecond)
	p.link.delay.Store(tooLong)
	p.load.await(t, outage)
	for range 2 {
		said := p.link.long.Load()
		p.link.delay.Store(longEnough)
		eventually(t, "the journal is being replayed", func() bool { return p.link.long.Load() > said })
		p.out.daemon.kill(t)
		p.link.delay.Store(tooLong) // it must not be replayed by a daemon that is still starting
		p.out.daemon.startUntil(t, "/healthz")
		p.load.await(t, 1)
	}
	p.link.delay.Store(0)
}

// rotate makes a new key on one host, and gives it to the other after a while.
func rotate(t *testing.T, p *pair) {
	logged := p.out.daemon.process.out.len()
	p.key(t, "rotate")
	p.load.await(t, outage)
	p.copyKeys(t)
	p.out.daemon.awaitRecord(t, logged, record{"msg": "every node has the new key; it signs from now on", "key": "key 1", "former": "key 0"})
	p.awaitKey(t, "1")
}

// missNewKey replaces the key while the host that receives is down. It comes back without the new one.
func missNewKey(t *testing.T, p *pair) {
	p.in.daemon.process.end(t, syscall.SIGTERM)
	p.key(t, "rotate")
	p.key(t, "activate", "1")
	p.awaitKey(t, "1")
	p.in.daemon.start(t)
	p.load.await(t, outage)
	logged := p.in.daemon.process.out.len()
	p.copyKeys(t)
	p.in.daemon.awaitRecord(t, logged, record{"msg": "keys loaded"})
}

// loseKey restarts the host that receives while the file of the key is away.
func loseKey(t *testing.T, p *pair) {
	files, err := filepath.Glob(filepath.Join(p.in.state(), "keys", "key-*.secret"))
	if err != nil || len(files) != 1 {
		t.Fatalf("keys: %q, %v", files, err)
	}
	away := filepath.Join(p.in.dir, "away")
	if err := os.Rename(files[0], away); err != nil {
		t.Fatal(err)
	}
	p.in.daemon.process.end(t, syscall.SIGTERM)
	p.in.daemon.start(t)
	p.load.await(t, outage)
	logged := p.in.daemon.process.out.len()
	if err := os.Rename(away, files[0]); err != nil {
		t.Fatal(err)
	}
	p.in.daemon.awaitRecord(t, logged, record{"msg": "keys loaded"})
}

// key runs a command about keys on the host that signs.
func (p *pair) key(t *testing.T, command string, arguments ...string) {
	t.Helper()
	d := p.out.daemon
	if out, status := d.run(t, append([]string{"key", command, "--config", d.config}, arguments...)...); status != 0 {
		t.Fatalf("key %s: exit status %d\n%s", command, status, out)
	}
}

// copyKeys gives the keys of the host that signs to the other one.
func (p *pair) copyKeys(t *testing.T) {
	t.Helper()
	p.copyState(t, "keys")
}

// copyState copies files and folders of the state of the host that signs to that of the other one.
func (p *pair) copyState(t *testing.T, names ...string) {
	t.Helper()
	execute(t, "sh", "-c", fmt.Sprintf("tar -C %s -cf - %s | tar -C %s -xpf -", p.out.state(), strings.Join(names, " "), p.in.state()))
}

// awaitKey waits until mail goes out that a key has signed.
func (p *pair) awaitKey(t *testing.T, number string) {
	t.Helper()
	eventually(t, "key "+number+" signs", func() bool {
		all := p.world.all()
		return strings.HasPrefix(all[len(all)-1].sender, "prvs="+number)
	})
}
