package sendmail

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// need is what bouncefilter has to do for a daemon of Sendmail.
type need struct {
	does func(mta.Listener) bool
	what string // what happens without it
}

// needs returns what bouncefilter has to do where mail comes in. The sendmail command hands its mail to the daemon that also
// takes mail from outside.
func (k *checker) needs(d daemon) []need {
	var list []need
	if k.site.Verifies() && !d.submits {
		list = append(list, need{verifies, "bounces that come in are not judged"})
	}
	if k.site.Signs() {
		list = append(list, need{signs, "mail that is sent leaves unsigned, and its bounces are refused"})
	}
	return list
}

// milters checks that bouncefilter is asked in all places where it must be, and what happens when it does not answer.
func (k *checker) milters() {
	everywhere := k.c.option("InputMailFilters")
	var missing, used []string
	for _, d := range k.c.daemons() {
		var without []string
		for _, n := range k.needs(d) {
			if m := k.c.asked(d, k.site, n.does); m == nil {
				without = append(without, n.what)
			} else if !slices.Contains(used, m.Name) {
				used = append(used, m.Name)
			}
		}
		switch {
		case len(without) == 0:
		case d.own:
			k.add(mta.LevelError, "milter-overridden", k.at(d.line, "DaemonPortOptions"), fmt.Sprintf(
				"The daemon %s has milters of its own (InputMailFilters=%s), and bouncefilter is not among them: %s.", d.name, strings.Join(d.filters, ";"), strings.Join(without, "; ")),
				"add "+k.name()+" there, with a semicolon between the names, or take the InputMailFilters= out")
		default:
			for _, what := range without {
				if !slices.Contains(missing, what) {
					missing = append(missing, what)
				}
			}
		}
	}
	if len(missing) > 0 {
		k.milterMissing(everywhere, strings.Join(missing, "; "))
	}
	for _, name := range splitFilters(everywhere.Value) {
		if k.c.milter(name) == nil {
			k.add(mta.LevelError, "milter-undefined", k.at(everywhere.Line, everywhere.Name),
				fmt.Sprintf("There is no X line for %s, so Sendmail ignores that milter.", name), "add its INPUT_MAIL_FILTER line, or remove the name here")
		}
	}
	for _, name := range used {
		k.behaviour(*k.c.milter(name))
	}
}

// name returns the name under which bouncefilter is, or will be, known to Sendmail.
func (k *checker) name() string {
	for _, m := range k.c.Milters {
		if slices.ContainsFunc(k.site.Listeners, m.fits) {
			return m.Name
		}
	}
	return ourName
}

func (k *checker) milterMissing(list Option, consequences string) {
	for _, m := range k.c.Milters {
		if !slices.ContainsFunc(k.site.Listeners, m.fits) || slices.Contains(splitFilters(list.Value), m.Name) {
			continue
		}
		k.add(mta.LevelError, "milter-missing", k.at(list.Line, list.Name), fmt.Sprintf(
			"There is an X line for %s, but the option does not name that milter, so Sendmail does not ask it: %s.", m.Name, consequences),
			"in sendmail.mc, use INPUT_MAIL_FILTER and not MAIL_FILTER, after all lines that define confINPUT_MAIL_FILTERS")
		return
	}
	what := "bouncefilter is not asked: " + consequences + "."
	for _, m := range k.c.Milters {
		if m.Name == ourName {
			what = fmt.Sprintf("Sendmail looks for %s at %s; bouncefilter listens on %s and is not asked: %s.", m.Name, m.Socket, k.listeners(), consequences)
		}
	}
	k.add(mta.LevelError, "milter-missing", k.at(list.Line, list.Name), what, k.bySetup(block{milters: k.ourMilters()})...)
}

func (k *checker) listeners() string {
	var names []string
	for _, l := range k.site.Listeners {
		names = append(names, l.Address.String())
	}
	return strings.Join(names, " and ")
}

// ourMilters returns the X lines that bouncefilter needs: of the first listener that does both, or of one for each role.
func (k *checker) ourMilters() []Milter {
	both := func(l mta.Listener) bool { return l.Sign == k.site.Signs() && l.Verify == k.site.Verifies() }
	if i := slices.IndexFunc(k.site.Listeners, both); i >= 0 {
		return []Milter{{Name: ourName, Socket: spec(k.site.Listeners[i])}}
	}
	// A message passes both. The one that verifies comes first: it is the one that sees mail as it came in.
	var list []Milter
	for _, role := range []struct {
		name string
		does func(mta.Listener) bool
	}{{ourName + "-verify", verifies}, {ourName + "-sign", signs}} {
		if i := slices.IndexFunc(k.site.Listeners, role.does); i >= 0 {
			list = append(list, Milter{Name: role.name, Socket: spec(k.site.Listeners[i])})
		}
	}
	return list
}

// behaviour checks the options with which Sendmail asks bouncefilter.
func (k *checker) behaviour(m Milter) {
	where := k.at(m.Line, "X"+m.Name)
	signing := slices.ContainsFunc(k.site.Listeners, func(l mta.Listener) bool { return l.Sign && m.fits(l) })
	switch {
	case strings.ContainsAny(m.Flags, "T4"):
	case strings.Contains(m.Flags, "R"):
		k.add(mta.LevelWarning, "milter-rejects", where, "While bouncefilter does not answer, mail is refused permanently (F=R).", "use F=T for this milter")
	case signing:
		k.add(mta.LevelError, "milter-accepts", where,
			"While bouncefilter does not answer, mail leaves unsigned (there is no F=T), and its bounces are refused later.", "use F=T for this milter")
	default:
		k.add(mta.LevelNote, "milter-accepts", where,
			"While bouncefilter does not answer, bounces are accepted without a check (there is no F=T). That is a choice of the operator; no mail must be sent through this Sendmail.")
	}
	for _, t := range []struct {
		name, what string
		min        time.Duration
	}{{"C", "connecting", time.Second}, {"S", "sending", 2 * time.Second}, {"R", "an answer", 2 * time.Second}, {"E", "the end of the message", 10 * time.Second}} {
		if d, ok := m.wait(t.name); ok && d < t.min {
			k.add(mta.LevelWarning, "milter-timeout", where, fmt.Sprintf(
				"Sendmail waits %v for %s (T=%s:). When the store is slow for a moment, Sendmail gives up waiting for bouncefilter.", d, t.what, t.name),
				fmt.Sprintf("use at least %s:%v", t.name, t.min))
		}
	}
	if strings.HasPrefix(m.Socket, "inet") {
		k.add(mta.LevelNote, "milter-tcp", where,
			"Over TCP each command to a milter takes Sendmail about 40 ms, because it waits for acknowledgements. A unix socket is three times as fast for a whole message.",
			"bouncefilter.toml: listen = [\"unix:/run/bouncefilter/milter.sock\"]; then "+setupCommand)
	}
}
