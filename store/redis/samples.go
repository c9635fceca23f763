package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// The identity of the server process does not show every loss: a virtual machine that was set back to a snapshot goes on with the process
// of then, and who can write to the server can remove records and leave the start of the record as it is. So each process remembers a
// few of the records that it wrote, and examine looks for them. A server that was set back lacks the last ones, whatever is recorded
// now. Of records removed at random, the chance that none of the samples is among them falls with each of them: of one in a hundred it is
// (1 - 1/100)^sampleOld in one examination. Nobody can tell samples from other records.
const (
	// sampleNew is how many of the latest records of a shard are samples, and sampleOld how many of all earlier ones.
	sampleNew = 8
	sampleOld = 128
	// sampleAsked is how many samples of a shard one examination asks for, and maxAsked how many of all shards of a cluster.
	sampleAsked = sampleNew + 32
	maxAsked    = 512
)

// sample is a record that the server has acknowledged.
type sample struct {
	hash    string
	field   store.Key
	expires store.Day
	at      time.Time // when it was acknowledged
}

// samples are those of one shard.
type samples struct {
	mu     sync.Mutex
	newest [sampleNew]sample
	older  [sampleOld]sample
	seen   int // records that were acknowledged
}

// add takes in a record that was acknowledged.
func (s *samples) add(n sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.seen % sampleNew
	last := s.newest[slot]
	s.newest[slot] = n
	s.seen++
	// The one that is among the newest no longer takes the place of an older one with the chance that keeps all equally likely.
	if count := s.seen - sampleNew; count > 0 {
		if at := rand.N(count); count <= sampleOld {
			s.older[count-1] = last
		} else if at < sampleOld {
			s.older[at] = last
		}
	}
}

// ask returns the newest samples and some of the others that have not expired on the day today.
func (s *samples) ask(today store.Day) []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := make([]sample, 0, sampleAsked)
	take := func(n sample) {
		if n.hash != "" && n.expires >= today && len(asked) < sampleAsked {
			asked = append(asked, n)
		}
	}
	for _, n := range s.newest {
		take(n)
	}
	for _, at := range rand.Perm(sampleOld) {
		take(s.older[at])
	}
	return asked
}

// reset forgets all samples.
func (s *samples) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest, s.older, s.seen = [sampleNew]sample{}, [sampleOld]sample{}, 0
}

// lacking returns for each shard when the first of the samples was recorded that the server lacks; the zero time if it lacks none.
func (s *Store) lacking(ctx context.Context, today store.Day) ([]time.Time, error) {
	lacking := make([]time.Time, len(s.shards))
	type question struct {
		shard int
		at    time.Time
		reply *redis.BoolCmd
	}
	var questions []question
	pipe := s.client.Pipeline()
	for _, i := range rand.Perm(len(s.shards)) {
		if len(questions) > maxAsked-sampleAsked {
			break
		}
		for _, n := range s.shards[i].samples.ask(today) {
			questions = append(questions, question{i, n.at, pipe.HExists(ctx, n.hash, string(n.field[:]))})
		}
	}
	if len(questions) == 0 {
		return lacking, nil
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	for _, q := range questions {
		if !q.reply.Val() {
			s.doubts.missing.Add(1)
			if first := lacking[q.shard]; first.IsZero() || q.at.Before(first) {
				lacking[q.shard] = q.at
			}
		}
	}
	return lacking, nil
}
