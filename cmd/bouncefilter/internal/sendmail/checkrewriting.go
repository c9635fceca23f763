package sendmail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// rewriting looks at what Sendmail does with a sender after it is signed.
func (k *checker) rewriting() {
	if !k.site.Signs() {
		return
	}
	envelope := slices.ContainsFunc(k.c.Rulesets["MasqEnv"], func(r Rule) bool {
		return strings.Contains(r.Right, "$>MasqHdr") || strings.Contains(r.Right, "$>93") || strings.Contains(r.Right, "$> MasqHdr")
	})
	if !envelope {
		return // only headers are changed
	}
	k.masquerading()
	if _, there := k.c.Maps["generics"]; there {
		k.add(mta.LevelWarning, "generics", k.at(0, "Kgenerics"),
			"With masquerade_envelope Sendmail looks up the signed sender (prvs=...=user@example.com) here, and an entry for the address alone does not match: senders are not replaced.",
			"let programs send with the address that the world should see")
	}
}

// masquerading happens after the signature.
func (k *checker) masquerading() {
	name := k.c.Macros["M"]
	if name == "" {
		return
	}
	masqueraded := func(d string) bool {
		return !strings.EqualFold(d, name) && k.c.has("N", d) == no && (k.c.has("M", d) != no || k.c.has(local, d) != no)
	}
	var concerned []string
	for _, d := range k.site.Domains {
		if masqueraded(d) {
			concerned = append(concerned, d)
		}
	}
	const cure = "take FEATURE(`masquerade_envelope') out, and let programs send with the sender that the world should see"
	switch {
	case len(concerned) > 0:
		k.add(mta.LevelError, "masquerade", k.at(0, "DM"+name), fmt.Sprintf(
			"Senders in %s become senders in %s after bouncefilter has signed them: the signature no longer fits, and bounces are refused.",
			mta.Names(concerned), name), cure)
	case k.site.Index().Find(name) != nil:
		k.add(mta.LevelWarning, "masquerade", k.at(0, "DM"+name), fmt.Sprintf(
			"Senders with a name of this host become senders in %s only after bouncefilter has seen them: they leave unsigned, and their bounces are refused.", name), cure)
	}
}
