package prvs

import "testing"

func TestPlain(t *testing.T) {
	for address, want := range map[string]string{
		"user@example.com":                               "user@example.com",
		"prvs=1234abcdef=user@example.com":               "user@example.com",
		"PRVS=1234ABCDEF=User@example.com":               "User@example.com",
		"prvs=1234abcdef=prvs=0000000000=user@a.example": "user@a.example",
		"user+prvs=1234abcdef@example.com":               "user@example.com",
		"user+list+prvs=1234abcdef@example.com":          "user+list@example.com",
		"user+prvs=1234abcdef+list@example.com":          "user+list@example.com",
		"prvs=1234abcdef=user+prvs=1234abcdef@a.example": "user@a.example",
		"prvs=1234abcdef=a=b@example.com":                "a=b@example.com",
		`"prvs=1234abcdef=first last"@example.com`:       `"first last"@example.com`,
		`"first last+prvs=1234abcdef"@example.com`:       `"first last"@example.com`,
		"prvs=1234abcdef=user@":                          "user@",
		"user@":                                          "user@",
		"example.com":                                    "example.com",
		"":                                               "",
		"@":                                              "@",
		"prvs=1234=user@example.com":                     "prvs=1234=user@example.com", // malformed
		"prvs=1234abcdef=@example.com":                   "prvs=1234abcdef=@example.com",
		"SRS0=hash=AB=b.example=user+prvs=1234abcdef@example.com":                 "SRS0=hash=AB=b.example=user+prvs=1234abcdef@example.com",
		"prvs=1234abcdef=SRS0=hash=AB=b.example=user+prvs=1234abcdef@example.com": "SRS0=hash=AB=b.example=user+prvs=1234abcdef@example.com",
		"list+prvs=0123456789=user=remote.example@example.com":                    "list+prvs=0123456789=user=remote.example@example.com",
	} {
		if got := Plain(address); got != want {
			t.Errorf("Plain(%q) = %q, expected %q", address, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("prvs=1234abcdef=user+prvs=1234abcdef@example.com")
	f.Fuzz(func(t *testing.T, address string) {
		once := Plain(address)
		if len(once) > len(address)+2 { // it may have got quotes
			t.Errorf("%q became longer: %q", address, once)
		}
		if again := Plain(once); again != once {
			t.Errorf("Plain(%q) = %q, and of that %q", address, once, again)
		}
	})
}
