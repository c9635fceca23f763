package postfix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// restrictions looks whether a restriction of a recipient can be got around with a tag in front of the address.
func (k *checker) restrictions() {
	for _, r := range k.bypassed() {
		what := fmt.Sprintf("The table %s is asked for the recipient as the client wrote it: a tag in front of an address, even a made-up one, "+
			"gets around its entries for the address.", k.c.expand(r.service, r.table))
		if rest, behind := strings.CutPrefix(k.c.expand(r.service, r.table), "pipemap:{"); behind && strings.Contains(rest, ",") {
			what = fmt.Sprintf("The table %s is not asked for a recipient with a tag as it would be for the address without it: "+
				"its entries for a domain, for user@ or for addresses that have no tag are missed.", k.c.expand(r.service, r.table))
		}
		k.add(mta.LevelError, "restriction-bypassed", k.at(r.service, r.list), what, k.restrictionCure(r)...)
	}
	k.recipientTable()
	k.policyServices()
}

func (k *checker) restrictionCure(r restriction) []string {
	wrapped, err := k.c.wrap(k.site, r)
	switch {
	case err != nil:
		return []string{"apt-get install postfix-pcre", setupCommand}
	case r.index < 0:
		return []string{fmt.Sprintf("write check_recipient_access %s in place of check_recipient_access %s", wrapped, r.table), setupCommand}
	case !k.hasTable(recipientFile) || strings.Contains(wrapped, "$"+recipientParameter) && !k.c.written(recipientParameter) || r.service != nil:
		return []string{setupCommand}
	}
	raw := k.c.raw(nil, r.list)
	return []string{k.set(r.list, replaceElements(raw, raw, k.c.wrapped(k.site, nil, r.list, k.bypassed())))}
}

func (k *checker) hasTable(name string) bool {
	_, there := k.c.Tables[k.c.Dir+"/"+name]
	return there
}

// recipientTable looks whether the table that the restrictions need is there.
func (k *checker) recipientTable() {
	inUse := slices.ContainsFunc(k.c.restrictions(), func(r restriction) bool {
		return strings.Contains(k.c.expand(r.service, r.table), k.c.Dir+"/"+recipientFile)
	})
	if inUse && !k.hasTable(recipientFile) {
		k.add(mta.LevelError, "table-missing", k.c.Dir+"/"+recipientFile, "There is no such file. Postfix defers all mail that needs this table.", setupCommand)
	}
}
