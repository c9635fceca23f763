package deploy

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	dashboardFile = "deploy/monitoring/grafana-dashboard.json"
	rulesFile     = "deploy/monitoring/bouncefilter.rules.yml"
)

// dashboard is what a test looks at of a dashboard of Grafana.
type dashboard struct {
	ID            *int   `json:"id"`
	UID           string `json:"uid"`
	Title         string
	SchemaVersion int `json:"schemaVersion"`
	Inputs        any `json:"__inputs"`
	Panels        []panel
	Templating    struct {
		List []struct {
			Name, Type string
			Datasource *datasource
			Query      any
		}
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *datasource
	GridPos                  struct{ X, Y, W, H int } `json:"gridPos"`
	Targets                  []target
	FieldConfig              struct {
		Defaults  struct{ Unit string }
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	} `json:"fieldConfig"`
	Transformations []struct{ ID string }
}

type datasource struct{ Type, UID string }

type target struct {
	RefID, Expr, LegendFormat, Format string
	Instant, Range                    bool
	Datasource                        *datasource
}

// Words of Grafana: its panels, without plugins, and its units, as far as they are used.
var (
	corePanels   = []string{"row", "stat", "timeseries", "table"}
	knownUnits   = []string{"", "short", "s", "bytes", "cps", "dateTimeAsIso"}
	ownVariables = []string{"__rate_interval"}
	columns      = 24
)

func readDashboard(t *testing.T) *dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

func TestDashboardCanBeImported(t *testing.T) {
	d := readDashboard(t)
	if d.ID != nil || d.UID == "" || len(d.UID) > 40 || d.Title == "" || d.SchemaVersion != 42 || d.Inputs != nil {
		t.Errorf("id %v, uid %q, title %q, schema %d, inputs %v", d.ID, d.UID, d.Title, d.SchemaVersion, d.Inputs)
	}
	if len(d.Panels) < 20 {
		t.Fatalf("only %d panels", len(d.Panels))
	}
	ids, titles := map[int]bool{}, map[string]bool{}
	for _, p := range d.Panels {
		if p.ID < 1 || ids[p.ID] || p.Title == "" || titles[p.Title] {
			t.Errorf("panel %d %q: its id or title is there twice, or missing", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		if !slices.Contains(corePanels, p.Type) {
			t.Errorf("%s: %s is no panel that Grafana comes with", p.Title, p.Type)
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 || !isVariable(p.Datasource) || !slices.Contains(knownUnits, p.FieldConfig.Defaults.Unit) {
			t.Errorf("%s: no description, no query, a data source of its own, or an unknown unit %q", p.Title, p.FieldConfig.Defaults.Unit)
		}
		for _, o := range p.FieldConfig.Overrides {
			for _, property := range o.Properties {
				if property.ID == "unit" && !slices.Contains(knownUnits, property.Value.(string)) {
					t.Errorf("%s: unknown unit %v", p.Title, property.Value)
				}
			}
		}
	}
}

func TestPanelsOfTheDashboardFit(t *testing.T) {
	taken := map[[2]int]string{}
	bottom := 0
	for _, p := range readDashboard(t).Panels {
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > columns {
			t.Errorf("%s: it is outside of the %d columns: %+v", p.Title, columns, g)
		}
		if g.Y > bottom {
			t.Errorf("%s: there is a hole above it", p.Title)
		}
		bottom = max(bottom, g.Y+g.H)
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s covers %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// isVariable says whether the data source is the one that the reader chooses.
func isVariable(d *datasource) bool {
	return d != nil && *d == datasource{"prometheus", "${datasource}"}
}

func TestDashboardQueries(t *testing.T) {
	d := readDashboard(t)
	variables := slices.Clone(ownVariables)
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if v.Type == "query" && !isVariable(v.Datasource) || v.Type == "datasource" && v.Query != "prometheus" {
			t.Errorf("variable %s: data source %+v", v.Name, v.Datasource)
		}
	}
	variable := regexp.MustCompile(`\$\{?(\w+)`)
	used := map[string]bool{"datasource": true}
	by := regexp.MustCompile(`by \(([^)]*)\)`)
	for _, p := range d.Panels {
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.RefID == "" || refs[q.RefID] || !isVariable(q.Datasource) || q.Instant == q.Range {
				t.Errorf("%s: query %+v", p.Title, q)
			}
			refs[q.RefID] = true
			if (q.Format == "table") != (p.Type == "table") {
				t.Errorf("%s: format %s in a %s", p.Title, q.Format, p.Type)
			}
			for _, m := range variable.FindAllStringSubmatch(q.Expr, -1) {
				if used[m[1]] = true; !slices.Contains(variables, m[1]) {
					t.Errorf("%s: there is no variable %s", p.Title, m[1])
				}
			}
			// A legend names labels that the query keeps.
			var kept []string
			for _, m := range by.FindAllStringSubmatch(q.Expr, -1) {
				kept = append(kept, strings.Split(m[1], ", ")...)
			}
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
				if aggregated := strings.Contains(q.Expr, "sum") || kept != nil; aggregated && !slices.Contains(kept, m[1]) || !aggregated && m[1] != "instance" {
					t.Errorf("%s: the legend names %s, which %s does not have", p.Title, m[1], q.Expr)
				}
			}
			if p.Type == "timeseries" && q.LegendFormat == "" {
				t.Errorf("%s: no legend", p.Title)
			}
		}
	}
	for _, v := range variables {
		if !used[v] {
			t.Errorf("the variable %s is not used", v)
		}
	}
}

// Dashboard and rules use metrics that the manual has, and so the program: TestManualHasTheMetrics.
func TestMonitoringUsesDocumentedMetrics(t *testing.T) {
	documented := []string{"process_resident_memory_bytes"}
	for _, row := range table(t, manual, "metrics") {
		documented = append(documented, words(row[0])...)
	}
	for _, path := range []string{dashboardFile, rulesFile, "deploy/monitoring/rules_test.yml", "deploy/monitoring/refusals_test.yml"} {
		names := regexp.MustCompile(`\b(?:bouncefilter|process)_[a-z_]+\b`).FindAllString(read(t, path), -1)
		for _, name := range names {
			if !slices.Contains(documented, name) && !slices.Contains(documented, strings.TrimSuffix(name, "_bucket")) {
				t.Errorf("%s: %s is no metric of the manual", path, name)
			}
		}
		if len(names) < 5 {
			t.Errorf("%s: only %d metrics", path, len(names))
		}
	}
}

// Each alert has a severity, a summary, a description, tests, and a runbook that exists.
func TestAlertsHaveRunbooks(t *testing.T) {
	tests := read(t, "deploy/monitoring/rules_test.yml") + read(t, "deploy/monitoring/refusals_test.yml")
	sections := anchors(read(t, "deploy/troubleshooting.md"))
	alerts := strings.Split(read(t, rulesFile), "      - alert: ")[1:]
	if len(alerts) < 9 {
		t.Fatalf("only %d alerts", len(alerts))
	}
	for _, text := range alerts {
		name, _, _ := strings.Cut(text, "\n")
		for _, part := range []string{"\n        expr: ", "\n          severity: ", "\n          summary: ", "\n          description: "} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %s", name, strings.TrimSpace(part))
			}
		}
		if anchor := strings.ToLower(name); !strings.Contains(text, "runbook: deploy/troubleshooting.md#"+anchor+"\n") || !slices.Contains(sections, anchor) {
			t.Errorf("%s has no runbook", name)
		}
		if fires := regexp.MustCompile(`"` + name + `", alertstate="firing"|alertname: ` + name + `\n        exp_alerts:\n`); !fires.MatchString(tests) {
			t.Errorf("no test lets %s fire", name)
		}
	}
}
