package e2e

import "testing"

func (w *week) testBacktest(t *testing.T) {}
