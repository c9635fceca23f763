package redis_test

import (
	"strings"
	"testing"
)

// A later version has written to the store, and was taken back.
func TestAStoreWithRecordsOfALaterVersionSaysWhyItVouchesForNothing(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := open(t, srv.url(""))
	record(t, s, key(1))
	if err := srv.admin(t).HSet(t.Context(), "bouncefilter:state", "p:3:99", "").Err(); err != nil {
		t.Fatal(err)
	}
	a, err := s.Lookup(t.Context(), today(), nil)
	if err != nil || !a.Complete.Since.IsZero() || !strings.Contains(a.Complete.Reason, "a later version") {
		t.Errorf("%+v, %v", a, err)
	}
}
