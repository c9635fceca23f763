package judge

import (
	"testing"

	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

func TestUseCounts(t *testing.T) {
	x := &Explanation{}
	x.use(filtertest.Policy(t, nil), policy.TagUse{Recipients: 1, Bounces: 1, Failed: 1})
	want := "The tag is on record. The tag was sent to 1 recipient, and has been answered by 1 bounce of at most 510. " +
		"They named 1 failed recipient of at most 502, and this one names 0 more."
	if len(x.Steps) != 1 || x.Steps[0] != want {
		t.Errorf("got %q", x.Steps)
	}
}
