package view

import (
	"time"

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// repeatInterval is how often the log says that the store holds what it should not: who writes to it could fill the log otherwise.
const repeatInterval = time.Hour

// mayLog says whether a line may be logged now, one in an interval.
func (v *View) mayLog(line *limit.Rate, interval time.Duration) bool {
	_, ok := line.AllowEvery(v.now(), interval)
	return ok
}
