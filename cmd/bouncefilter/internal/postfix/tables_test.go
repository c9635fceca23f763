package postfix

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tables are in two places: the manual's readers copy one, setup writes the other.
func TestTablesAreThoseOfTheManual(t *testing.T) {
	for _, name := range []string{untagFile, localFile, extensionFile, recipientFile} {
		manual, err := os.ReadFile(filepath.Join("../../../../deploy/postfix", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(manual) != table(name) {
			t.Errorf("%s differs from deploy/postfix/%s", name, name)
		}
	}
}

// Setup writes the parameters that the manual has: an operator can begin with one and go on with the other.
func TestParametersAreThoseOfTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../../../deploy/postfix/README.md")
	if err != nil {
		t.Fatal(err)
	}
	wanted := []string{"recipient_canonical_maps = pcre:$config_directory/" + untagFile, "recipient_canonical_classes = envelope_recipient",
		"smtp/inet/recipient_canonical_maps=$" + knownParameter, "smtpd_milters = $" + ourParameter, "non_smtpd_milters = $" + ourParameter,
		ourParameter + " = { inet:127.0.0.1:8766, " + ourOptions + " }"}
	for _, table := range []string{"pcre:$config_directory/" + recipientFile, "socketmap:inet:127.0.0.1:8768:" + plainMap} {
		wanted = append(wanted, recipientParameter+" = "+untaggingAll(table))
	}
	for _, r := range recipeParameters {
		wanted = append(wanted, r.name+" = "+r.value)
	}
	for _, w := range wanted {
		if !strings.Contains(string(manual), "'"+w+"'") {
			t.Errorf("deploy/postfix/README.md lacks '%s'", w)
		}
	}
}
