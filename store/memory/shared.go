package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/bouncefilter/bouncefilter/store"
)

// Heartbeat implements [store.Store].
func (s *Store) Heartbeat(ctx context.Context, n store.Node) error {
	if err := check(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.Seen = s.now()
	if !n.ConditionHolds() {
		return nil
	}
	n.Keys, n.Condition = slices.Clone(n.Keys), nil
	s.nodes[n.Name] = n
	maps.DeleteFunc(s.nodes, func(_ string, o store.Node) bool { return n.Seen.Sub(o.Seen) > store.NodeRetention })
	return nil
}

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	if err := check(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.nodes)), nil
}

// RemoveNode implements [store.Store].
func (s *Store) RemoveNode(ctx context.Context, node string) error {
	if err := check(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.nodes, node)
	return nil
}

// Publish implements [store.Store].
func (s *Store) Publish(ctx context.Context, b store.Broadcast, onlyNew bool) (bool, error) {
	if err := check(ctx); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	today := store.DayOf(s.now())
	id := [2]string{b.Topic, b.Name}
	if o, ok := s.broadcasts[id]; ok && onlyNew && o.Expires >= today {
		return false, nil
	}
	b.Value = bytes.Clone(b.Value)
	s.broadcasts[id] = b
	maps.DeleteFunc(s.broadcasts, func(_ [2]string, o store.Broadcast) bool { return o.Expires < today })
	return true, nil
}

// Broadcasts implements [store.Store].
func (s *Store) Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error) {
	if err := check(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var bs []store.Broadcast
	for _, b := range s.broadcasts {
		if b.Topic == topic && b.Expires >= today {
			b.Value = bytes.Clone(b.Value)
			bs = append(bs, b)
		}
	}
	return bs, nil
}

// Withdraw implements [store.Store].
func (s *Store) Withdraw(ctx context.Context, topic, name string) error {
	if err := check(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.broadcasts, [2]string{topic, name})
	return nil
}
