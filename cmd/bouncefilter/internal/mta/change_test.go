package mta

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// place is a folder with a mail server's files and one for the backup.
type place struct {
	t      *testing.T
	dir    string
	backup string
}

func newPlace(t *testing.T) *place {
	dir := t.TempDir()
	return &place{t: t, dir: dir, backup: filepath.Join(dir, "setup", "postfix")}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) write(name, text string, mode fs.FileMode) string {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Chmod(p.path(name), mode); err != nil {
		p.t.Fatal(err)
	}
	return p.path(name)
}

func (p *place) read(name string) string {
	p.t.Helper()
	data, err := os.ReadFile(p.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// want compares files with what they should be, given as name and text by turns, and looks for leftovers.
func (p *place) want(step string, files ...string) {
	p.t.Helper()
	for i := 0; i < len(files); i += 2 {
		if got := p.read(files[i]); got != files[i+1] {
			p.t.Errorf("%s: %s is %q, expected %q", step, files[i], got, files[i+1])
		}
	}
	if left, _ := filepath.Glob(p.path(".*")); len(left) > 0 {
		p.t.Errorf("%s: %v left behind", step, left)
	}
}

func (p *place) apply(c Change) {
	p.t.Helper()
	if err := c.Apply(p.backup, nil); err != nil {
		p.t.Fatal(err)
	}
}

// change replaces main.cf and makes a table.
func (p *place) change(before, after string) Change {
	var c Change
	c.Add(File{Path: p.path("main.cf"), Old: []byte(before), New: []byte(after)})
	return c
}

func (p *place) both() Change {
	c := p.change("old\n", "new\n")
	c.Add(File{Path: p.path("table"), New: []byte("table\n"), Mode: 0o644})
	return c
}

func TestDiff(t *testing.T) {
	p := newPlace(t)
	c := p.both()
	want := "--- DIR/main.cf\n+++ DIR/main.cf\n@@ -1 +1 @@\n-old\n+new\n--- /dev/null\n+++ DIR/table\n@@ -0,0 +1 @@\n+table\n"
	if got := strings.ReplaceAll(c.Diff(), p.dir, "DIR"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	same := p.change("old\n", "old\n")
	if len(same.Files) != 0 || same.Diff() != "" {
		t.Errorf("a file that stays as it is makes %q", same.Diff())
	}
}

func TestApplyAndUndo(t *testing.T) {
	p := newPlace(t)
	main := p.write("main.cf", "old\n", 0o604)
	if os.Geteuid() == 0 {
		if err := os.Chown(main, 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(main)
	if err != nil {
		t.Fatal(err)
	}
	sameRights := func(step string) {
		t.Helper()
		now, err := os.Stat(main)
		if err != nil {
			t.Fatal(err)
		}
		a, b := before.Sys().(*syscall.Stat_t), now.Sys().(*syscall.Stat_t)
		if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid {
			t.Errorf("%s: mode and owner are %o %d %d, expected %o %d %d", step, b.Mode, b.Uid, b.Gid, a.Mode, a.Uid, a.Gid)
		}
	}
	p.apply(p.both())
	p.want("applied", "main.cf", "new\n", "table", "table\n")
	sameRights("applied")
	if info, err := os.Stat(p.path("table")); err != nil || info.Mode() != 0o644 {
		t.Errorf("the new file: %v, %v", info.Mode(), err)
	}
	// A second change keeps the first backup.
	p.apply(p.change("new\n", "newer\n"))
	p.want("changed again", "main.cf", "newer\n", "table", "table\n")

	paths, err := Undo(p.backup)
	if err != nil || len(paths) != 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	p.want("undone", "main.cf", "old\n", "table", "(none)")
	sameRights("undone")
	if left, err := os.ReadDir(p.backup); err != nil || len(left) != 0 {
		t.Errorf("the backup still has %v, %v", left, err)
	}
	if _, err := Undo(p.backup); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("undone twice: %v", err)
	}
}

func TestUndoWithoutABackup(t *testing.T) {
	if _, err := Undo(newPlace(t).backup); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("got %v", err)
	}
}

func TestNothingToApply(t *testing.T) {
	p := newPlace(t)
	p.apply(Change{})
	if _, err := os.Lstat(p.path("setup")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a backup of nothing: %v", err)
	}
}

func TestLinksStay(t *testing.T) {
	p := newPlace(t)
	p.write("real", "old\n", 0o644)
	if err := os.Symlink("real", p.path("main.cf")); err != nil {
		t.Fatal(err)
	}
	p.apply(p.change("old\n", "new\n"))
	p.want("applied", "real", "new\n")
	if to, err := os.Readlink(p.path("main.cf")); err != nil || to != "real" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

func TestAFailureTakesEverythingBack(t *testing.T) {
	refused := errors.New("postfix check said no")
	for _, again := range []bool{false, true} {
		p := newPlace(t)
		p.write("main.cf", "old\n", 0o644)
		before := "old\n"
		if again {
			p.apply(p.change("old\n", "new\n"))
			before = "new\n"
		}
		c := p.change(before, "newer\n")
		c.Add(File{Path: p.path("table"), New: []byte("table\n"), Mode: 0o644})
		seen := ""
		err := c.Apply(p.backup, func() error {
			seen = p.read("main.cf") + p.read("table")
			return refused
		})
		if !errors.Is(err, refused) || seen != "newer\ntable\n" {
			t.Errorf("verify saw %q, Apply returned %v", seen, err)
		}
		p.want("taken back", "main.cf", before, "table", "(none)")
		_, err = Undo(p.backup)
		if !again && !errors.Is(err, ErrNothingToUndo) || again && err != nil {
			t.Errorf("again %v: Undo afterwards: %v", again, err)
		}
		p.want("undone", "main.cf", "old\n")
	}
}

func TestAFileThatCannotBeReplaced(t *testing.T) {
	p := newPlace(t)
	p.write("main.cf", "old\n", 0o644)
	c := p.both()
	c.Add(File{Path: p.path("no-such-folder/table"), New: []byte("x"), Mode: 0o644})
	if err := c.Apply(p.backup, nil); err == nil {
		t.Fatal("no error")
	}
	p.want("refused", "main.cf", "old\n", "table", "(none)")

	// A folder where a file should be.
	if err := os.Mkdir(p.path("table"), 0o700); err != nil {
		t.Fatal(err)
	}
	c = p.both()
	if err := c.Apply(p.backup, nil); err == nil {
		t.Error("a folder was replaced by a file")
	}
	p.want("refused again", "main.cf", "old\n")
}

func TestAFileThatWasEditedSince(t *testing.T) {
	p := newPlace(t)
	p.write("main.cf", "old\n", 0o644)
	p.apply(p.both())
	p.write("main.cf", "new\nand mine\n", 0o644)
	var edited *EditedError
	if _, err := Undo(p.backup); !errors.As(err, &edited) || !strings.Contains(edited.Remedy(), "diff -u "+p.backup) {
		t.Errorf("Undo: %v", err)
	}
	p.want("not undone", "main.cf", "new\nand mine\n", "table", "table\n")
	c := p.change("new\nand mine\n", "newer\n")
	if err := c.Apply(p.backup, nil); !errors.As(err, &edited) {
		t.Errorf("Apply: %v", err)
	}
	if err := c.Obstacle(p.backup); !errors.As(err, &edited) {
		t.Errorf("Obstacle: %v", err)
	}
	// Taking one's own edit back is a way out.
	p.write("main.cf", "new\n", 0o644)
	if err := c.Obstacle(p.backup); err != nil {
		t.Errorf("Obstacle: %v", err)
	}
	if _, err := Undo(p.backup); err != nil {
		t.Error(err)
	}
	if err := c.Obstacle(newPlace(t).backup); err != nil {
		t.Errorf("Obstacle without a backup: %v", err)
	}
	p.want("undone", "main.cf", "old\n", "table", "(none)")
}

func TestAFileThatChangesUnderway(t *testing.T) {
	p := newPlace(t)
	p.write("main.cf", "other\n", 0o644)
	c := p.change("old\n", "new\n")
	if err := c.Apply(p.backup, nil); err == nil || !strings.Contains(err.Error(), "at this moment") {
		t.Errorf("got %v", err)
	}
	p.want("refused", "main.cf", "other\n")
}

// A crash can happen between any two files. The backup says what each of them may be.
func TestACrashInBetween(t *testing.T) {
	for _, main := range []string{"old\n", "new\n"} {
		for _, table := range []string{"", "table\n"} {
			p := newPlace(t)
			p.write("main.cf", "old\n", 0o644)
			p.apply(p.both())
			p.write("main.cf", main, 0o644)
			p.write("table", table, 0o644)
			if table == "" {
				if err := os.Remove(p.path("table")); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Undo(p.backup); err != nil {
				t.Errorf("main.cf %q, table %q: %v", main, table, err)
			}
			p.want("undone", "main.cf", "old\n", "table", "(none)")
		}
	}
}

// A user who can write to the backup could choose what root writes where.
func TestABackupOfOthersIsRefused(t *testing.T) {
	p := newPlace(t)
	p.write("main.cf", "old\n", 0o644)
	p.apply(p.both())
	if err := os.Chmod(p.backup, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := Undo(p.backup); err == nil || !strings.Contains(err.Error(), "other users can write") {
		t.Errorf("group may write: %v", err)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(p.backup, 0o700), os.Chown(p.backup, 1, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := Undo(p.backup); err == nil || !strings.Contains(err.Error(), "other users can write") {
			t.Errorf("another owner: %v", err)
		}
	}
	p.want("not undone", "main.cf", "new\n")
}

func TestADamagedBackupIsNotBroughtBack(t *testing.T) {
	p := newPlace(t)
	p.write("main.cf", "old\n", 0o644)
	p.apply(p.both())
	if err := os.WriteFile(filepath.Join(p.backup, "1-main.cf"), []byte("ol"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Undo(p.backup); err == nil || !strings.Contains(err.Error(), "is not the copy of") {
		t.Errorf("got %v", err)
	}
	p.want("not undone", "main.cf", "new\n", "table", "table\n")
}
