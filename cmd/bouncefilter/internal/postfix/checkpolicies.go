package postfix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// relayService is the name in master.cf of the service that hands requests on to a policy service.
const relayService = ourParameter + "_policy"

// policyServices looks for policy services that see recipients with their tags.
func (k *checker) policyServices() {
	if !k.site.Verifies() || !k.c.hosts(k.site) {
		return
	}
	var services []string // that were found
	for _, r := range k.c.restrictions() {
		if !r.policy {
			continue
		}
		address := parseMilter(k.c.expand(r.service, r.table)).address
		if k.c.handsOn(address) || k.c.isSPF(address) {
			continue
		}
		n := slices.Index(services, address)
		if n < 0 {
			n = len(services)
			services = append(services, address)
		}
		k.add(mta.LevelWarning, "policy-sees-tags", k.at(r.service, r.list), fmt.Sprintf("The policy service %s gets recipients as clients wrote them, with their tags. "+
			"What it decides for an address (quota, lists, whether the user exists) it does not decide for the address with a tag.", address), k.relayCure(r, address, n)...)
	}
}

// relayCure returns what lets a policy service see recipients without tags; n counts services.
func (k *checker) relayCure(r restriction, address string, n int) []string {
	name := relayService
	if n > 0 {
		name += fmt.Sprint(n + 1)
	}
	instead := "unix:private/" + name
	if inner, braces := strings.CutPrefix(r.table, "{"); braces {
		_, options, _ := strings.Cut(inner, ",")
		instead = "{ " + instead + "," + options
	}
	var cure []string
	if strings.HasPrefix(address, "unix:private/") { // to which only Postfix has access
		cure = append(cure, "let the policy service listen on a TCP port of 127.0.0.1, named PORT here")
		address = "inet:127.0.0.1:PORT"
	}
	cure = append(cure,
		fmt.Sprintf("%s -M %s", k.c.postconf(), shellQuote(fmt.Sprintf("%s/unix=%s unix - n n - 0 spawn user=nobody argv=/usr/local/bin/bouncefilter policy %s", name, name, address))),
		k.set(name+"_time_limit", "3600s"))
	switch raw := k.c.raw(nil, r.list); {
	case r.index < 0 || r.service != nil:
		return append(cure, "write check_policy_service "+instead+" in place of check_policy_service "+r.table)
	default:
		return append(cure, k.set(r.list, replaceElements(raw, raw, map[int]string{r.index: instead})))
	}
}

// private returns the service of master.cf to which an address leads, nil if it leads elsewhere.
func (c *Config) private(address string) *Service {
	name, ok := strings.CutPrefix(address, "unix:private/")
	if !ok {
		return nil
	}
	return c.service(name + "/unix")
}

// handsOn says whether an address leads to the command that stands between Postfix and a policy service.
func (c *Config) handsOn(address string) bool {
	s := c.private(address)
	return s != nil && s.Command == "spawn" && strings.Contains(s.Arguments, "/bouncefilter policy ")
}

// isSPF says whether a policy service checks SPF, which has nothing to do with recipients (RFC 7208).
func (c *Config) isSPF(address string) bool {
	text := address
	if s := c.private(address); s != nil {
		text += " " + s.Arguments
	}
	return strings.Contains(strings.ToLower(text), "spf")
}
