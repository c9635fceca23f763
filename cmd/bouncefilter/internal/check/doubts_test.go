package check

import (
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestWhatIsNotBelievedIsAFinding(t *testing.T) {
	if fs := doubtFindings(store.Doubts{Crowded: 1, Missing: 2}); len(fs) != 0 {
		t.Errorf("%+v", fs)
	}
	fs := doubtFindings(store.Doubts{Heartbeats: 3})
	if len(fs) != 1 || fs[0].Name != "store-unbelieved" || !strings.Contains(fs[0].What, " 3 heartbeats") {
		t.Errorf("%+v", fs)
	}
}
