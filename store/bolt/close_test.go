package bolt

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A commit that goes on when Close no longer waits for it does not write into the file: another process may have it.
func TestNothingIsWrittenOnceCloseHasReleasedTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Bucket(bucketDomains).Put([]byte("late.example"), make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	_ = s.contain(func() error { panic("damage elsewhere") })
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}

	next, err := Open(path)
	if err != nil {
		t.Fatalf("the next Open: %v", err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("the late commit says that it succeeded")
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the late commit has changed the file")
	}
}
