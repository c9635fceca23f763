package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// scrapeTimeout bounds one reading of the metrics.
const scrapeTimeout = 5 * time.Second

// scrape returns the metrics of the daemon with that address for metrics; those with labels are summed up.
func scrape(ctx context.Context, address string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	r.Close = true // a connection that stays open would count as a descriptor
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics of %s: %s", address, resp.Status)
	}
	return parseMetrics(string(body)), nil
}

// parseMetrics reads the text format of Prometheus.
func parseMetrics(body string) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(body) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if at := strings.LastIndexByte(line, '}'); at >= 0 {
			name, value = line[:strings.IndexByte(line, '{')], strings.TrimSpace(line[at+1:])
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil && found && line[0] != '#' {
			values[name] += v
		}
	}
	return values
}
