package redis_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/redis"
	"github.com/bouncefilter/bouncefilter/store/redistest"
)

// What a Redis answers that cannot do its work. Each of these is an outage for the caller, no loss: nothing is claimed about records that
// were not taken, and what was on record before is found as soon as the server answers again.
func TestErrorsOfAServerSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   []string
		fail   func(t *testing.T, srv *server)
		mend   func(t *testing.T, srv *server)
		word   string
		remedy string
		reads  bool // lookups are answered meanwhile
	}{
		{"MISCONF: the data cannot be saved", []string{"--dbfilename", "dump.rdb", "--save", "3600 1", "--stop-writes-on-bgsave-error", "yes", "--enable-protected-configs", "yes"},
			func(t *testing.T, srv *server) {
				if err := os.Mkdir(filepath.Join(srv.Dir, "full"), 0o700); err != nil {
					t.Fatal(err)
				}
				set(t, srv, "dir", filepath.Join(srv.Dir, "full"))
				if err := os.Remove(filepath.Join(srv.Dir, "full")); err != nil {
					t.Fatal(err)
				}
				admin := srv.admin(t)
				admin.BgSave(t.Context())
				eventually(t, "the save has failed", func() bool {
					return strings.Contains(admin.Info(t.Context(), "persistence").Val(), "rdb_last_bgsave_status:err")
				})
			},
			func(t *testing.T, srv *server) { set(t, srv, "stop-writes-on-bgsave-error", "no") },
			"MISCONF", "free its disk", true},
		{"READONLY: a replica", nil,
			func(t *testing.T, srv *server) {
				host, port, _ := net.SplitHostPort(redistest.Start(t).Addr)
				if err := srv.admin(t).ReplicaOf(t.Context(), host, port).Err(); err != nil {
					t.Fatal(err)
				}
			}, nil, "READONLY", "name the master", false},
		{"OOM: it is full", nil,
			func(t *testing.T, srv *server) { set(t, srv, "maxmemory", "1") },
			func(t *testing.T, srv *server) { set(t, srv, "maxmemory", "0") },
			"OOM", "raise it", true},
		{"NOREPLICAS: its replicas are gone", nil,
			func(t *testing.T, srv *server) { set(t, srv, "min-replicas-to-write", "1") },
			func(t *testing.T, srv *server) { set(t, srv, "min-replicas-to-write", "0") },
			"NOREPLICAS", "min-replicas-to-write", true},
		{"WRONGTYPE: another program uses its keys", nil,
			func(t *testing.T, srv *server) {
				admin := srv.admin(t)
				admin.Rename(t.Context(), "bouncefilter:state", "kept")
				admin.Set(t.Context(), "bouncefilter:state", "x", 0)
			},
			func(t *testing.T, srv *server) { srv.admin(t).Rename(t.Context(), "kept", "bouncefilter:state") },
			"WRONGTYPE", "remove it", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := startServer(t, tt.args...)
			s := open(t, srv.url(""))
			record(t, s, key(1))
			_, before := look(t, s, key(1))
			tt.fail(t, srv)
			err := s.Record(t.Context(), today(), "example.com", store.Record{Key: key(2), Expires: today() + 7})
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), tt.word) || !strings.Contains(err.Error(), tt.remedy) {
				t.Errorf("Record: %v", err)
			}
			if tt.reads {
				if found, since := look(t, s, key(1)); !found || !since.Equal(before) {
					t.Errorf("meanwhile: found %t, complete since %v, before %v", found, since, before)
				}
			}
			if tt.mend == nil {
				return
			}
			tt.mend(t, srv)
			record(t, s, key(2))
			for n := 1; n <= 2; n++ {
				if found, since := look(t, s, key(n)); !found || !since.Equal(before) {
					t.Errorf("afterwards: %d found %t, complete since %v, before %v", n, found, since, before)
				}
			}
		})
	}
}

// A server that reads a large file after a restart answers everything with LOADING, and INFO too.
func TestAServerThatLoadsItsData(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "--dbfilename", "dump.rdb")
	s, admin := srv.openAged(t), srv.admin(t)
	look(t, s, key(1))
	for n := range 2000 {
		admin.Set(t.Context(), fmt.Sprint("ballast", n), strings.Repeat("x", 100), 0)
	}
	if err := admin.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	srv.Kill(t)
	srv.Launch(t, "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024") // microseconds for each key
	loading := 0
	for err := error(nil); ; {
		if _, err = s.Lookup(t.Context(), today(), store.AnyDay(key(1))); err == nil {
			break
		}
		if strings.Contains(err.Error(), "LOADING") {
			loading++
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "answers when it is done") {
				t.Errorf("%v", err)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	if loading == 0 {
		t.Error("it was never loading: this test shows nothing")
	}
	restarted := time.Now()
	for name, s := range map[string]*redis.Store{"this node": s, "a new node": open(t, srv.url(""))} {
		if found, since := look(t, s, key(1)); !found || !since.After(restarted) && !since.IsZero() {
			t.Errorf("%s: found %t, complete since %v, restarted at %v", name, found, since, restarted)
		}
	}
}
