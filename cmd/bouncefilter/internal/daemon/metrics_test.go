package daemon

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

func key(number uint8, domain string, state prvs.State, created time.Time) keyring.Key {
	return keyring.Key{Key: prvs.Key{Number: number, Domain: domain, State: state}, Created: created}
}

// gather returns the metrics of a daemon with these keys.
func gather(t *testing.T, keys ...keyring.Key) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	m := newMetrics(time.Unix(1, 0))
	m.register(registry)
	m.called(guard.OpLookup, time.Millisecond)
	registry.MustRegister(newKeyCollector(func() *keyring.Keyring { return &keyring.Keyring{Keys: keys} }))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

func TestMetricsFollowTheConventions(t *testing.T) {
	calls := map[string]uint64{}
	for _, m := range gather(t, key(1, "", prvs.StateSign, time.Unix(5, 0)))["bouncefilter_store_call_duration_seconds"].GetMetric() {
		calls[m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleCount()
	}
	if got := fmt.Sprint(calls); got != "map[lookup:1 record:0 use:0]" {
		t.Errorf("calls of the store: %s", got)
	}
}

func TestKeysSayWhenTheyWereMade(t *testing.T) {
	made := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	created := map[string]float64{}
	for _, m := range gather(t, key(1, "", prvs.StateSign, made), key(0, "", prvs.StateVerify, time.Time{}), key(0, "", prvs.StateRetired, made),
		key(1, "example.com", prvs.StateSign, made.Add(time.Hour)))["bouncefilter_key_created_timestamp_seconds"].GetMetric() {
		created[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()+" "+m.GetLabel()[2].GetValue()] = m.GetGauge().GetValue()
	}
	want := map[string]float64{" 1 sign": float64(made.Unix()), " 0 verify": 0, "example.com 1 sign": float64(made.Unix() + 3600)}
	if fmt.Sprint(created) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", created, want)
	}
}

func TestKeysOfVeryManyDomains(t *testing.T) {
	for n, want := range map[int]int{maxKeyLabels: maxKeyLabels, maxKeyLabels + 1: 1} {
		keys := []keyring.Key{key(1, "", prvs.StateSign, time.Unix(5, 0))}
		for i := range n - 1 {
			keys = append(keys, key(1, fmt.Sprintf("d%d.example", i), prvs.StateSign, time.Unix(5, 0)))
		}
		if got := len(gather(t, keys...)["bouncefilter_key_created_timestamp_seconds"].GetMetric()); got != want {
			t.Errorf("%d keys: %d series, want %d", n, got, want)
		}
	}
}
