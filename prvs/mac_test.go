package prvs

import (
	"crypto/hmac"
	"crypto/sha1"
	"fmt"
	"strings"
	"testing"
)

// The package has its own HMAC, which does not allocate. The one of the standard library must give the same.
func TestMACIsTheHMACOfTheStandardLibrary(t *testing.T) {
	for secretLen := range 130 { // past the block of SHA-1, beyond which a key is hashed first
		for _, addressLen := range []int{0, 1, 50, 51, 52, 60, 119, stackAddress, stackAddress + 1, MaxAddressLen} {
			secret := []byte(strings.Repeat("s\x00\xff", 50)[:secretLen])
			address := strings.Repeat("a", addressLen)
			for _, day := range []Day{-1, 0, 9, 20780, 20999, 21000} {
				h := hmac.New(sha1.New, secret)
				fmt.Fprintf(h, "%d%03d%s", 7, mod(int64(day), cycle), address)
				want := [3]byte(h.Sum(nil))
				if got := MAC(secret, 7, day, address); got != want {
					t.Fatalf("secret of %d octets, address of %d, day %d: %x, want %x",
						secretLen, addressLen, day, got, want)
				}
			}
		}
	}
}
