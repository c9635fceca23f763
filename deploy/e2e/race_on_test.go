//go:build race

package e2e

// buildFlags build the program as these tests were built.
var buildFlags = []string{"-race"}
