package events

import (
	"errors"
	"time"
)

// Sinks says where events go. The zero Sinks are none. Redis, HTTP and Secret may hold passwords: they are in no error and no log.
type Sinks struct {
	File string // path; "" for none

	Redis        string // URL as that of a store; "" for none
	Stream       string // its key
	StreamLength int64  // entries that the stream keeps, about

	HTTP   string // URL; "" for none
	Secret []byte // that signs requests; nil for none

	MaxBacklog int // events that wait for each sink at most
}

// Any says whether there is a sink.
func (s *Sinks) Any() bool { return s.File != "" || s.Redis != "" || s.HTTP != "" }

// named is a sink with its name in log and metrics.
type named struct {
	name string
	sink sink
}

// open makes the sinks. They connect when there is something to deliver.
func (s *Sinks) open(now func() time.Time) ([]named, error) {
	var all []named
	if s.File != "" {
		all = append(all, named{"file", &fileSink{path: s.File}})
	}
	if s.HTTP != "" {
		all = append(all, named{"http", newHook(s.HTTP, s.Secret, now)})
	}
	if s.Redis != "" {
		stream, err := newStream(s.Redis, s.Stream, s.StreamLength)
		if err != nil {
			for _, other := range all {
				err = errors.Join(err, other.sink.close())
			}
			return nil, err
		}
		all = append(all, named{"redis", stream})
	}
	return all, nil
}
