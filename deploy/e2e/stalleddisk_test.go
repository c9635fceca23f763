package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestADiskThatStallsLosesNothing freezes the disk of a site with the embedded store for a moment, as every snapshot of a virtual machine
// does. Mail is signed meanwhile, and afterwards absence on record counts as before.
func TestADiskThatStallsLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{top: "store_timeout = \"250ms\"\n"})
	d := s.daemon
	d.process.end(t, syscall.SIGTERM)
	state, image := filepath.Join(d.dir, "state"), filepath.Join(s.dir, "disk")
	execute(t, "truncate", "-s", "64M", image)
	execute(t, "mkfs.ext4", "-q", image)
	privileged(t, "mount", "-o", "loop", image, state)
	t.Cleanup(func() {
		d.process.end(t, syscall.SIGKILL)
		execute(t, "umount", state)
	})
	execute(t, "chmod", "700", state)
	d.start(t)

	const sender = "user@virt.example"
	letters := []delivery{s.send(t, sender, "friend@remote.example")}
	execute(t, "fsfreeze", "-f", state)
	thawed := false
	thaw := func() {
		if !thawed {
			thawed = true
			execute(t, "fsfreeze", "-u", state)
		}
	}
	t.Cleanup(thaw) // runs before the file system is unmounted
	frozen := time.Now()
	for range 5 {
		letters = append(letters, s.send(t, sender, "friend@remote.example"))
	}
	if waiting := d.metric(t, "bouncefilter_store_journal_entries"); waiting == 0 {
		t.Error("nothing waits for the disk: this test shows nothing")
	}
	time.Sleep(time.Until(frozen.Add(2 * time.Second))) // the length of the fault, not a wait for a state
	thaw()
	eventually(t, "all that has waited is in the store", func() bool {
		return d.metric(t, "bouncefilter_store_available") == 1 && d.metric(t, "bouncefilter_store_journal_entries") == 0
	})

	for _, name := range []string{"bouncefilter_store_lost_records_total", "bouncefilter_store_gap", "bouncefilter_store_last_gap_end_timestamp_seconds"} {
		if v := d.metric(t, name); v != 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
	for i, l := range letters {
		if reply := s.attempt(t, "", sender, readReceipt(sender, l.text)); reply[0] != '2' {
			t.Errorf("the receipt of message %d was answered %q", i, reply)
		}
	}
	eventually(t, "a receipt of a message that was never sent is refused", func() bool {
		reply := s.attempt(t, "", sender, readReceipt(sender, newMessage(sender, "friend@remote.example").text))
		if reply[0] == '2' {
			t.Fatalf("it was answered %q", reply)
		}
		return reply[0] == '5'
	})
	if out, _ := d.run(t, "check", "--config", d.config); strings.Contains(out, "record-incomplete") {
		t.Errorf("check says that records are missing:\n%s", out)
	}
}
