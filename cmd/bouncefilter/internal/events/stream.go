package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	storeredis "github.com/bouncefilter/bouncefilter/store/redis"
)

// stream adds events to a Redis stream: one entry for each, with the fields id and event.
type stream struct {
	client redis.UniversalClient
	key    string
	length int64
}

func newStream(url, key string, length int64) (*stream, error) {
	client, err := storeredis.Connect(url)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return &stream{client, key, length}, nil
}

func (s *stream) batch() int { return 100 }

func (s *stream) deliver(ctx context.Context, lines [][]byte) (int, error) {
	cmds := make([]redis.Cmder, 0, len(lines))
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, line := range lines {
			id, err := idOf(line)
			if err != nil {
				id = ""
			}
			// The server cuts whole blocks of entries (~), which costs it next to nothing.
			cmds = append(cmds, p.XAdd(ctx, &redis.XAddArgs{
				Stream: s.key, MaxLen: s.length, Approx: true, Values: []any{"id", id, "event", line[:len(line)-1]},
			}))
		}
		return nil
	})
	for i, cmd := range cmds {
		if cmd.Err() != nil { // what follows is added again: the ID is the same
			return i, fmt.Errorf("add events to the stream: %w", cmd.Err())
		}
	}
	if err != nil {
		return 0, fmt.Errorf("add events to the stream: %w", err)
	}
	return len(lines), nil
}

func (s *stream) close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("close the stream of events: %w", err)
	}
	return nil
}
