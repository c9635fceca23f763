// Package remedy adds to an error what an operator can do about it. Commands print that on a line of its own.
package remedy

import "errors"

// remedial is an error with a remedy. Errors of other packages may be such errors, too.
type remedial interface {
	error
	Remedy() string
}

type withRemedy struct {
	error
	remedy string
}

func (w withRemedy) Unwrap() error  { return w.error }
func (w withRemedy) Remedy() string { return w.remedy }

// With returns an error that is err, with a remedy.
func With(err error, remedy string) error { return withRemedy{err, remedy} }

// Of returns the remedy of an error, "" if it has none.
func Of(err error) string {
	var r remedial
	if !errors.As(err, &r) {
		return ""
	}
	return r.Remedy()
}
