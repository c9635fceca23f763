package backtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/gunzip"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logfile"
)

// maxDepth is how many folders may be within each other.
const maxDepth = 40

// form is what a file has.
type form uint8

const (
	unknown form = iota
	message
	mbox
	maillog
)

// file is a file to be read.
type file struct {
	path string
	form form
	sent bool      // all mail in it was sent
	time time.Time // when it was delivered, as far as the name of a file in a Maildir says; zero if it does not
}

// fileKey tells files apart, by whatever names they are reached.
type fileKey struct{ device, inode uint64 }

func keyOf(info fs.FileInfo) (fileKey, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileKey{}, false
	}
	return fileKey{uint64(s.Dev), s.Ino}, true
}

// finder looks for mail and logs below the paths that are named.
type finder struct {
	ctx     context.Context
	sent    []string         // folders and files of sent mail
	visited map[fileKey]bool // folders, however often links lead there
	yield   func(file)
	failed  func(path string, err error)
	other   int // files that are neither mail nor a log
}

// path looks at what the operator has named. What is below it is found.
func (f *finder) path(path string) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		f.failed(path, err)
	case info.IsDir():
		f.folder(path, f.isSent(path, path), 0)
	case !info.Mode().IsRegular():
		f.failed(path, fmt.Errorf("%s is neither a file nor a folder", info.Mode().Type()))
	default:
		if f.file(path, f.isSent(path, path)) == unknown {
			f.failed(path, errNoMail)
		}
	}
}

var errNoMail = errors.New("neither a message, an mbox, nor a log of Postfix or Sendmail")

// isSent says whether a file or folder has sent mail by its own name.
func (f *finder) isSent(path, root string) bool {
	return path != root && isSentFolder(filepath.Base(path)) || path == root && isSentFolder(filepath.Base(absolute(path))) || f.named(path)
}

// named says whether the operator has named it as one of sent mail.
func (f *finder) named(path string) bool {
	return slices.ContainsFunc(f.sent, func(s string) bool { return isBelow(absolute(path), s) })
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// folder looks at what is in a folder. A Maildir has messages in cur and new; its other files are those of the IMAP server.
func (f *finder) folder(path string, sent bool, depth int) {
	if f.ctx.Err() != nil || f.seen(path) {
		return
	}
	if depth > maxDepth {
		f.failed(path, fmt.Errorf("more than %d folders within each other", maxDepth))
		return
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		f.failed(path, err)
	}
	isMaildir := hasFolder(entries, "cur") && hasFolder(entries, "new")
	for _, e := range entries {
		within := filepath.Join(path, e.Name())
		kind, ok := f.kind(within, e)
		switch {
		case !ok:
		case !isMaildir && kind.IsRegular():
			f.file(within, sent || isSentFolder(e.Name()) || f.named(within))
		case !kind.IsDir():
		case isMaildir && (e.Name() == "cur" || e.Name() == "new"):
			f.messages(within, sent)
		case isMaildir && e.Name() == "tmp":
		default:
			f.folder(within, sent && !isMaildir || isSentFolder(e.Name()) || f.named(within), depth+1)
		}
	}
}

// seen says whether a folder was looked at before, under whatever name.
func (f *finder) seen(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		f.failed(path, err)
		return true
	}
	key, ok := keyOf(info)
	before := ok && f.visited[key]
	f.visited[key] = ok
	return before
}

// kind returns what an entry of a folder is, behind links.
func (f *finder) kind(path string, e fs.DirEntry) (kind fs.FileMode, ok bool) {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type(), true
	}
	target, err := os.Stat(path)
	if err != nil {
		f.failed(path, err)
		return 0, false
	}
	return target.Mode().Type(), true
}

func hasFolder(entries []os.DirEntry, name string) bool {
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name && !e.Type().IsRegular() })
}

// messages looks at a folder of messages, in which there is nothing else. It may have very many.
func (f *finder) messages(path string, sent bool) {
	dir, err := os.Open(path)
	if err != nil {
		f.failed(path, err)
		return
	}
	defer dir.Close()
	for f.ctx.Err() == nil {
		entries, err := dir.ReadDir(1000)
		for _, e := range entries {
			if isMessage := e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0; isMessage && !strings.HasPrefix(e.Name(), ".") {
				f.yield(file{path: filepath.Join(path, e.Name()), form: message, sent: sent, time: maildirTime(e.Name())})
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			f.failed(path, err)
			return
		}
	}
}

// maildirTime returns the time in the name of a file in a Maildir, "1700000000.M123P456.host:2,S".
func maildirTime(name string) time.Time {
	seconds, _, found := strings.Cut(name, ".")
	n, err := strconv.ParseInt(seconds, 10, 40)
	if !found || err != nil || n < 1e8 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// file looks at what a file has.
func (f *finder) file(path string, sent bool) form {
	fd, err := open(path)
	if err != nil {
		f.failed(path, err)
		return message // it is not known
	}
	defer fd.Close()
	r, err := gunzip.Reader(fd)
	if err != nil {
		f.failed(path, err)
		return message
	}
	begin := make([]byte, 4<<10)
	n, err := io.ReadFull(r, begin)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		f.failed(path, err)
		return message
	}
	begin = begin[:n]
	kind := formOf(begin)
	switch {
	case n == 0: // an empty mbox, or a new log
		return message
	case kind == unknown:
		f.other++
		return unknown
	case kind == mbox && r != io.Reader(fd):
		f.failed(path, errCompressed)
		return mbox
	}
	f.yield(file{path: path, form: kind, sent: sent})
	return kind
}

var errCompressed = errors.New("a compressed mbox: decompress it to a file first")

// formOf says what a file has by how it begins.
func formOf(begin []byte) form {
	switch {
	case isFromLine(begin):
		return mbox
	case isLog(begin):
		return maillog
	case isHeader(begin):
		return message
	}
	return unknown
}

// isLog says whether one of the first lines is one of a log.
func isLog(begin []byte) bool {
	clock := logfile.Clock{Now: time.Now(), Zone: time.UTC} // it does not matter here which time a line has
	for _, l := range bytes.SplitN(begin, []byte("\n"), 20) {
		if logfile.IsEntry(l) || isOfProgram(clock.Parse(string(l))) {
			return true
		}
	}
	return false
}

var fieldName = regexp.MustCompile(`^[!-9;-~]{1,76}[ \t]*:`)

// isHeader says whether a text begins like a message: with a few lines that are header fields, one of which every message has.
func isHeader(begin []byte) bool {
	known := false
	for rest := begin; len(rest) > 0; {
		field := nextField(rest)
		if rest = rest[len(field):]; len(bytes.TrimRight(field, "\r\n")) == 0 {
			break
		}
		if !fieldName.Match(field) {
			return known && len(rest) == 0 // cut off
		}
		name, _, _ := bytes.Cut(field, []byte(":"))
		switch strings.ToLower(string(bytes.TrimSpace(name))) {
		case "from", "to", "date", "received", "return-path", "message-id", "subject", "delivered-to":
			known = true
		}
	}
	return known
}
