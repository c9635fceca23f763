package backtest

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// maxMessage is how many octets of a compressed message are held in memory.
const maxMessage = 1 << 20

// sentMail is a message that was sent from here.
type sentMail struct {
	time   time.Time
	sender string      // envelope sender if it is from a log; "" otherwise
	ids    []string    // values of Message-ID fields
	author [][2]string // names and values of the header fields that name addresses to which it may be answered
	to     []string    // recipients
	folder string      // in which it was; "" if it is from a log
}

// from returns the envelope sender: that of the log, or the author, who most likely was.
func (m *sentMail) from() string {
	address := m.sender
	for _, a := range m.author {
		if address == "" && a[0] == "from" {
			address = bounce.Address(a[1])
		}
	}
	return address
}

// candidate is a message that may be a bounce.
type candidate struct {
	place
	time      time.Time
	messageID string
	sender    string   // envelope sender; "" for the null one
	unknown   bool     // the envelope sender is not known: no Return-Path
	to        []string // addresses that may be the envelope recipient, the likeliest first
	own       bool     // the MTA that saved it wrote it itself, so that no milter has seen it
	client    *logged  // what a log says of it, or nil
}

// place is where a message is.
type place struct {
	path   string
	at     int64 // offset in an mbox
	length int64 // in an mbox; 0 for the whole file
}

// Unread is something that could not be read.
type Unread struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// maxUnread is how many of them are named.
const maxUnread = 20

// Read is what was read.
type Read struct {
	Messages   int `json:"messages"`
	Older      int `json:"older"` // left out because they are too old
	Sent       int `json:"sent"`
	Ordinary   int `json:"ordinary"` // that came in the time that is judged, with another sender than the null one
	Candidates int `json:"may_be_bounces"`
	Copies     int `json:"copies"`      // of messages that were judged already
	OtherFiles int `json:"other_files"` // neither mail nor a log
	Logs       int `json:"logs"`
	Lines      int `json:"log_lines"`
	LogSent    int `json:"log_sent"` // messages that were sent, by the logs
	LogInbound int `json:"log_inbound"`
	Rejected   int `json:"rejected"` // messages with the null sender that the mail server has refused already, by the logs
	Unread     int `json:"unread"`
}

// survey is what the first pass finds.
type survey struct {
	o          *Options
	keepFrom   time.Time // what was sent before is not on record any more
	counts     Read
	unread     []Unread
	sent       []sentMail
	candidates []candidate
	logged     []*logged       // with the null sender
	logSince   time.Time       // the first line of the logs; zero if there are none
	olderSent  map[string]bool // folders of sent mail that have older messages than are read
	inbound    int             // messages that came, with a Received field
	by         map[string]int  // hosts that took them
	logHosts   []string
	known      map[copyKey]bool

	interrupted bool // not all was read
}

// copyKey tells whether two files are copies of one message.
type copyKey struct{ id, to string }

func newSurvey(o *Options) *survey {
	return &survey{
		o: o, keepFrom: o.Since.Add(-o.retention()),
		olderSent: map[string]bool{}, by: map[string]int{}, known: map[copyKey]bool{},
	}
}

// found is what a worker found in one file, or in a part of an mbox.
type found struct {
	messages  int
	older     int
	ordinary  int
	sent      []sentMail
	may       []candidate
	by        []string
	folder    string // if it is one of sent mail
	olderSent bool   // in which there are older messages
	err       error
	path      string
}

// read does the first pass.
func (s *survey) read(ctx context.Context) {
	files, results := make(chan file, 256), make(chan found, 256)
	var logs []file
	var finding, workers sync.WaitGroup
	finding.Go(func() {
		defer close(files)
		f := finder{ctx: ctx, visited: map[fileKey]bool{}, failed: func(path string, err error) { results <- found{path: path, err: err} }}
		for _, p := range s.o.Sent {
			f.sent = append(f.sent, absolute(p))
		}
		f.yield = func(fl file) {
			if fl.form == maillog {
				logs = append(logs, fl)
				return
			}
			select {
			case files <- fl:
			case <-ctx.Done():
			}
		}
		for _, p := range s.o.Paths {
			if p == Stdin {
				logs = append(logs, file{path: p, form: maillog})
				continue
			}
			f.path(p)
		}
		s.counts.OtherFiles = f.other
	})
	for range max(2, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for fl := range files {
				s.file(ctx, fl, func(r found) { results <- r })
			}
		})
	}
	var closing sync.WaitGroup
	closing.Go(func() {
		finding.Wait()
		workers.Wait()
		close(results)
	})
	for r := range results {
		s.take(r)
	}
	closing.Wait()
	s.readLogs(ctx, logs)
	s.interrupted = ctx.Err() != nil
	slices.SortStableFunc(s.sent, func(a, b sentMail) int { return a.time.Compare(b.time) })
	slices.SortStableFunc(s.candidates, func(a, b candidate) int {
		return cmp.Or(a.time.Compare(b.time), strings.Compare(a.path, b.path), cmp.Compare(a.at, b.at))
	})
}

// Stdin is the name of the standard input among the paths.
const Stdin = "-"

// take adds what a worker found.
func (s *survey) take(r found) {
	if r.err != nil {
		s.fail(r.path, r.err)
	}
	s.counts.Messages += r.messages
	s.counts.Older += r.older
	s.counts.Ordinary += r.ordinary
	s.counts.Sent += len(r.sent)
	s.sent = append(s.sent, r.sent...)
	s.inbound += len(r.by)
	for _, host := range r.by {
		if len(s.by) < 10_000 || s.by[host] > 0 {
			s.by[host]++
		}
	}
	if r.olderSent {
		s.olderSent[r.folder] = true
	}
	for _, c := range r.may {
		if c.messageID != "" {
			key := copyKey{id: c.messageID}
			if len(c.to) > 0 {
				key.to = strings.ToLower(c.to[0])
			}
			if s.known[key] {
				s.counts.Copies++
				continue
			}
			s.known[key] = true
		}
		s.candidates = append(s.candidates, c)
	}
	s.o.Progress(Progress{Messages: s.counts.Messages, Lines: s.counts.Lines})
}

func (s *survey) fail(path string, err error) {
	if s.counts.Unread++; len(s.unread) < maxUnread {
		var about *os.PathError
		if errors.As(err, &about) {
			err = about.Err // the path is named beside it
		}
		s.unread = append(s.unread, Unread{path, err.Error()})
	}
}

// file reads the headers in a file of mail, and yields what is found in parts of bounded size.
func (s *survey) file(ctx context.Context, fl file, yield func(found)) {
	if ctx.Err() != nil {
		return
	}
	folder := ""
	if fl.sent {
		folder = folderOf(fl)
	}
	if !fl.time.IsZero() && fl.time.Before(s.keepFrom) {
		yield(found{messages: 1, older: 1, folder: folder, olderSent: fl.sent})
		return
	}
	f, err := open(fl.path)
	if err != nil {
		yield(found{path: fl.path, err: err})
		return
	}
	defer f.Close()
	r, size, err := messageReader(f)
	if err != nil {
		yield(found{path: fl.path, err: err})
		return
	}
	part := found{path: fl.path, folder: folder}
	if fl.form == message {
		if fl.time.IsZero() {
			if info, err := f.Stat(); err == nil {
				fl.time = info.ModTime() // for a message without a date
			}
		}
		h, err := readHeader(r, 0, size, fl.sent)
		if part.err = err; err == nil {
			s.message(&part, fl, &h, place{path: fl.path})
		}
		yield(part)
		return
	}
	const most = 1000 // messages of one part
	var h header
	var failed error
	r = newWindow(r)
	err = splitMbox(r, size, func(at int64) bool {
		h, failed = readHeader(r, at, size-at, fl.sent) // which ends at a blank line, at the latest that in front of the next message
		return failed == nil
	}, func(at, length int64) bool {
		s.message(&part, fl, &h, place{fl.path, at, length})
		if part.messages == most {
			yield(part)
			part = found{path: fl.path, folder: folder}
		}
		return ctx.Err() == nil
	})
	part.err = errors.Join(failed, err)
	yield(part)
}

// folderOf returns the folder of a file: the mbox, or what cur and new are in.
func folderOf(fl file) string {
	if fl.form == mbox {
		return fl.path
	}
	dir := filepath.Dir(fl.path)
	if base := filepath.Base(dir); base == "cur" || base == "new" {
		return filepath.Dir(dir)
	}
	return dir
}

// message says what a message is by its header.
func (s *survey) message(part *found, fl file, h *header, p place) {
	part.messages++
	at := h.arrived()
	if fl.sent {
		at = bounce.Date(h.date)
	}
	if at.IsZero() || at.After(s.o.Now.AddDate(0, 0, 1)) {
		at = fl.time
	}
	switch {
	case fl.sent && at.Before(s.keepFrom):
		part.older++
		part.olderSent = true
	case fl.sent:
		part.sent = append(part.sent, sentMail{time: at, ids: h.ids, author: h.authors, to: recipients(h.to), folder: part.folder})
	default:
		if by := h.by(); strings.Contains(by, ".") {
			part.by = append(part.by, by)
		}
		switch c, may := candidateOf(h, p, at); {
		case at.Before(s.o.Since):
			part.older++
		case may:
			part.may = append(part.may, c)
		default:
			part.ordinary++
		}
	}
}

// recipients returns the addresses in fields like To.
func recipients(fields []string) []string {
	var list []string
	for _, f := range fields {
		list = append(list, bounce.Addresses(f)...)
	}
	return list
}

// candidateOf says whether a message may be a bounce. Where its envelope sender is not known, because there is neither a Return-Path nor
// the line of an mbox, other signs in its header are enough to read it.
func candidateOf(h *header, p place, at time.Time) (c candidate, may bool) {
	c = candidate{place: p, time: at, own: h.hops > 0 && !h.fromHost()}
	switch {
	case h.hasPath && isNullPath(h.returnPath):
	case h.hasPath:
		if c.sender = bounce.Address(h.returnPath); !isDaemonName(c.sender) {
			return c, false
		}
	case strings.EqualFold(h.fromLine, "mailer-daemon"), h.fromLine == "<>":
	case h.fromLine != "" && h.fromLine != "-" && !isDaemonName(h.fromLine):
		return c, false
	case isDaemonName(bounce.Address(h.from)) || h.from == "" || h.report || h.auto:
		c.unknown = true
	default:
		return c, false
	}
	if len(h.ids) > 0 {
		c.messageID = bounce.MessageID(h.ids[0])
	}
	for _, v := range h.envelope {
		c.to = append(c.to, bounce.Address(v))
	}
	if to := h.forAddress(); to != "" {
		c.to = append(c.to, to)
	}
	const most = 20
	to := recipients(h.to)
	c.to = append(c.to, to[:min(len(to), most)]...)
	return c, true
}
