package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// redis is a real redis-server on a unix socket.
type redis struct {
	dir     string
	socket  string
	process *process
}

// newRedis starts a server. It ends with the test.
func newRedis(t *testing.T, dir string) *redis {
	t.Helper()
	r := &redis{dir: dir, socket: filepath.Join(dir, "redis.sock")}
	r.start(t)
	return r
}

// start starts the server, again after stop, with what it saved when it ended.
func (r *redis) start(t *testing.T) {
	t.Helper()
	r.process = start(t, "redis-server", "redis-server", "--port", "0", "--unixsocket", r.socket, "--dir", r.dir,
		"--save", "3600 1", "--appendonly", "no", "--daemonize", "no")
	eventually(t, "redis-server answers", func() bool {
		out, _ := exec.Command("redis-cli", "-s", r.socket, "ping").Output()
		return strings.TrimSpace(string(out)) == "PONG"
	})
	// The daemons have the rights that the manual gives them, and no others.
	user := regexp.MustCompile(`(?m)^redis-cli (ACL SETUSER bouncefilter reset .*)$`).FindStringSubmatch(readManual(t, "deploy/scale.md"))
	if user == nil {
		t.Fatal("deploy/scale.md makes no user for bouncefilter")
	}
	execute(t, "sh", "-c", "redis-cli -e -s "+r.socket+" "+user[1])
}

func (r *redis) stop(t *testing.T) {
	t.Helper()
	r.process.end(t, syscall.SIGTERM)
}

// url is the server in bouncefilter's configuration.
func (r *redis) url() string { return "unix://bouncefilter:password@" + r.socket + "?db=0" }

// cli gives a command to the server and returns the answer.
func (r *redis) cli(t *testing.T, arguments ...string) string {
	t.Helper()
	return execute(t, append([]string{"redis-cli", "-s", r.socket}, arguments...)...)
}

// keys returns all keys.
func (r *redis) keys(t *testing.T) []string {
	t.Helper()
	return strings.Fields(r.cli(t, "--scan"))
}
