package main

import "testing"

func TestMetricsWithLabelsAreSummedUp(t *testing.T) {
	got := parseMetrics("# HELP a words 7\na 2\nb{x=\"1 2\",y=\"}\"} 3\nb{x=\"2\"} 4.5\n")
	if len(got) != 2 || got["a"] != 2 || got["b"] != 7.5 {
		t.Errorf("metrics %v", got)
	}
}
