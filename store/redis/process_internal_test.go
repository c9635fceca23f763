package redis

import "testing"

// As the servers answer INFO server: Redis 7.0.15 and 8.0.2, Valkey 8.0.1.
func TestSentinelsAreRecognised(t *testing.T) {
	for info, want := range map[string]bool{
		"# Server\r\nredis_version:7.0.15\r\nredis_mode:sentinel\r\nrun_id:x\r\n":                                                 true,
		"# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:x\r\n":                                               false,
		"# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nserver_mode:sentinel\r\nrun_id:x\r\n":   true,
		"# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nserver_mode:standalone\r\nrun_id:x\r\n": false,
	} {
		if got := ofSentinel(info); got != want {
			t.Errorf("%q: %t", info, got)
		}
	}
}
