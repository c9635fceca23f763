package redis_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/redistest"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// manual returns the blocks of a language in a chapter of deploy/scale.md.
func manual(t *testing.T, chapter, language string, want int) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n## "+chapter+"\n")
	body, _, _ = strings.Cut(body, "\n## ")
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(body, -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) != want {
		t.Fatalf("deploy/scale.md: chapter %q has %d blocks of %s, want %d", chapter, len(blocks), language, want)
	}
	return blocks
}

// give runs commands of the manual against a server.
func give(t *testing.T, s *redistest.Server, commands string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr)
	commands = strings.ReplaceAll(strings.ReplaceAll(commands, "redis-cli -p 26379", "redis-cli"), "redis-cli", "redis-cli -e -p "+port)
	if out, err := exec.Command("sh", "-e", "-c", commands).CombinedOutput(); err != nil || !strings.Contains(string(out), "OK") {
		t.Fatalf("%s\n%v\n%s", commands, err, out)
	}
}

// settings returns the options of redis-server for lines of redis.conf.
func settings(conf string) (args []string) {
	for line := range strings.Lines(conf) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		args = append(args, "--"+name, value)
	}
	return args
}

func TestManual(t *testing.T) {
	t.Parallel()
	users := manual(t, "A user with the least rights", "sh", 3)
	conf := manual(t, "Settings of Redis", "conf", 2)
	const user = "//bouncefilter:password@"
	for _, test := range []struct {
		name  string
		start func(t *testing.T) (url string)
	}{
		{"one server", func(t *testing.T) string {
			s := redistest.Start(t, settings(conf[0])...)
			give(t, s, users[0])
			return "redis:" + user + s.Addr + "/0"
		}},
		{"Sentinels", func(t *testing.T) string {
			set := redistest.StartSentinels(t, settings(conf[0]+conf[1])...)
			for _, s := range set.Data {
				give(t, s, users[0])
			}
			for _, s := range set.Watchers {
				give(t, s, users[2])
			}
			return strings.Replace(set.URL("/0?sentinel_user=bouncefilter&sentinel_password=password"), "//", user, 1)
		}},
		{"Cluster", func(t *testing.T) string {
			c := redistest.StartCluster(t, settings(conf[0])...)
			for _, s := range c.Servers {
				give(t, s, users[0])
				give(t, s, users[1])
			}
			return strings.Replace(c.URL(""), "//", user, 1)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			all(t, open(t, test.start(t)))
		})
	}
}

// The rights in the manual are enough for everything, and are no more.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	give(t, srv, manual(t, "A user with the least rights", "sh", 3)[0])
	url := "redis://bouncefilter:password@" + srv.Addr + "/0"
	n := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		n++
		return open(t, url+fmt.Sprintf("?prefix=bouncefilter:test%d:", n))
	})
	user := goredis.NewClient(&goredis.Options{Addr: srv.Addr, Username: "bouncefilter", Password: "password", MaxRetries: -1})
	defer user.Close()
	if err := user.HSet(t.Context(), "bouncefilter:x", "f", "v").Err(); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"hset other:x f v", "hgetall other:x", "hget bouncefilte f", // keys of others
		"del bouncefilter:x", "unlink bouncefilter:x", "set bouncefilter:x v", "get bouncefilter:x", "rename bouncefilter:x bouncefilter:y",
		"hscan bouncefilter:x 0", "hkeys bouncefilter:x", "hvals bouncefilter:x", "expire bouncefilter:x 1", "persist bouncefilter:x",
		"dump bouncefilter:x", "restore bouncefilter:z 0 x", "migrate 127.0.0.1 1 bouncefilter:x 0 1", "keys *", "scan 0", "randomkey", "dbsize",
		"flushall", "flushdb", "swapdb 0 1", "select 1", "eval return 0", "multi", "subscribe x", "publish x y", "monitor",
		"config get dir", "config set dir /tmp", "save", "bgrewriteaof", "shutdown nosave", "replicaof no one",
		"acl list", "acl setuser x", "client list", "client kill type normal", "slowlog get", "module list", "command count",
	} {
		var args []any
		for word := range strings.FieldsSeq(command) {
			args = append(args, word)
		}
		if err := user.Do(t.Context(), args...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("%s: %v", command, err)
		}
	}
}
