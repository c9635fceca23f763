package guard

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// gapFileName is the name of the gap file, beside the journal.
const gapFileName = "store.gap"

// gapFile marks a gap, by its presence, for a process that cannot use the journal, which has a mark of its own. Its owner serialises
// the calls. The zero value, without a path, marks nothing.
type gapFile struct {
	path   string
	marked chan struct{} // closed once the file exists, or cannot be made; nil while there is no gap
}

// gapText is the content of the file, for the operator who finds it. The time of the first loss follows, on a line of its own.
const gapText = "Mail was signed while the store did not take records. bouncefilter removes this file once the store knows.\n"

// read returns the mark that the file makes. If the system does not answer, there is one, which is always safe; and so is the zero time if
// the file does not tell another one.
func (f *gapFile) read() mark {
	if f.path == "" {
		return mark{}
	}
	text, err := os.ReadFile(f.path)
	if os.IsNotExist(err) {
		return mark{}
	}
	m := mark{set: true}
	if line, ok := strings.CutPrefix(string(text), gapText); ok {
		m.from, _ = time.Parse(time.RFC3339Nano, strings.TrimSpace(line))
	}
	return m
}

// mark makes the file for a gap since from, in a goroutine of wait, unless it was made for this gap already. The channel is closed when that is done. A
// failure is logged, once for each gap.
func (f *gapFile) mark(from time.Time, wait *sync.WaitGroup, log *slog.Logger) <-chan struct{} {
	if f.marked != nil {
		return f.marked
	}
	marked := make(chan struct{})
	f.marked = marked
	if f.path == "" {
		close(marked)
		return marked
	}
	wait.Go(func() {
		defer close(marked)
		if err := createDurably(f.path, gapText+from.UTC().Format(time.RFC3339Nano)+"\n"); err != nil {
			log.Error("cannot mark that records were lost: a crash before the store answers again would hide it",
				"error", err)
		}
	})
	return marked
}

// removeGapFile removes the file at the end of the gap; "" is none.
func removeGapFile(path string) error {
	if path == "" {
		return nil
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil // Not synced: if the file comes back after a crash of the host, the record is marked incomplete without need.
}

// createDurably makes a file that survives a crash of the host.
func createDurably(path, text string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("gap file: %w", err)
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("gap file: %w", err)
	}
	return nil
}

// syncDir makes the entries of a folder survive a crash of the host.
func syncDir(path string) error {
	dir, err := os.OpenFile(path, os.O_RDONLY, fs.FileMode(0))
	if err != nil {
		return err
	}
	err = dir.Sync()
	if closeErr := dir.Close(); err == nil {
		err = closeErr
	}
	return err
}
