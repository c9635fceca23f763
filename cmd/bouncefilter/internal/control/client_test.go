package control

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
)

func TestAUserWhoMayNotConnectLearnsWhoMay(t *testing.T) {
	err := NewClient("/s").unreachable(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)})
	if remedy.Of(err) != "run this as root, or as the user that the daemon runs as" || !strings.Contains(err.Error(), "the daemon cannot be asked on /s: ") {
		t.Errorf("%v", err)
	}
}
