package report

import (
	"fmt"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
)

// overall judges the site by its domains. Those that have never signed do not count beside others.
func (j *judgement) overall(domains []Domain) Verdict {
	v := Verdict{State: Nothing, Level: Amber, Concerns: []Concern{}, Sentence: "Nothing was judged yet."}
	in := map[State][]string{}
	for i := range domains {
		d := &domains[i].Verdict
		in[d.State] = append(in[d.State], domains[i].Name)
	}
	v.Concerns = merge(domains)
	for _, s := range []State{NotReady, Ready, Enforcing} {
		if len(in[s]) > 0 {
			v.State = s
			break
		}
	}
	if v.State == Nothing {
		if len(domains) > 0 {
			v.Sentence = "No mail was signed yet."
		}
		return v
	}
	v.Level = Green
	for i := range domains {
		d := &domains[i].Verdict
		if d.State == Nothing {
			continue
		}
		v.Level = worse(v.Level, d.Level)
		if d.State == v.State {
			v.Since, v.Until = max(v.Since, d.Since), max(v.Until, d.Until)
		}
	}
	v.Sentence = v.sentence(in, domains)
	return v
}

// sentence says in words what the verdict over all domains is.
func (v *Verdict) sentence(in map[State][]string, domains []Domain) string {
	switch v.State {
	case NotReady:
		text := v.Concerns[0].What
		if n := len(in[Enforcing]); n > 0 {
			text = fmt.Sprintf("%s %s enforced; %s %s not ready: ", mta.Names(in[Enforcing]), are(n), mta.Names(in[NotReady]), are(len(in[NotReady]))) + text
		}
		return text
	case Ready:
		var would, noBounce int64
		for i := range domains {
			would += domains[i].Would.NoSign + domains[i].Would.NoBounce
			noBounce += domains[i].Would.NoBounce
		}
		return fmt.Sprintf("Nothing says that any of the %s that would be refused is genuine", screen.Count(would, "message")) + exceptNoBounces(noBounce)
	}
	if v.Level == Red {
		return "Bounces are refused of which some may be genuine."
	}
	return "Bounces that answer no mail of yours are refused."
}

func signWord(domains string) string {
	if strings.Contains(domains, ", ") {
		return "sign"
	}
	return "signs"
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func worse(a, b Level) Level {
	if a == Red || b == Red {
		return Red
	}
	if a == Amber || b == Amber {
		return Amber
	}
	return Green
}
