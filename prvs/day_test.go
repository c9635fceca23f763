package prvs

import (
	"testing"
	"time"
)

func TestDayOfCountsDaysInUTC(t *testing.T) {
	east := time.FixedZone("UTC+14", 14*60*60)
	for _, c := range []struct {
		at   time.Time
		day  Day
		date string
	}{
		{time.Unix(0, 0), 0, "1970-01-01"},
		{time.Unix(-1, 0), -1, "1969-12-31"},
		{time.Unix(-86400, 0), -1, "1969-12-31"},
		{time.Unix(-86401, 0), -2, "1969-12-30"},
		{time.Date(2026, 11, 23, 23, 59, 59, 999999999, time.UTC), 20780, "2026-11-23"},
		{time.Date(2026, 11, 24, 13, 59, 59, 0, east), 20780, "2026-11-23"},
		{time.Date(2027, 6, 24, 0, 0, 0, 0, time.UTC), 20993, "2027-06-24"},
		{time.Date(2106, 2, 8, 0, 0, 0, 0, time.UTC), 49711, "2106-02-08"}, // more seconds than 32 bits count
	} {
		d := DayOf(c.at)
		if d != c.day || d.String() != c.date {
			t.Errorf("DayOf(%v) = %d, %s; want %d, %s", c.at, d, d, c.day, c.date)
		}
		if got := DayOf(d.Time()); got != d {
			t.Errorf("DayOf(%d.Time()) = %d", d, got)
		}
		if got := d.Time(); got.After(c.at) || c.at.Sub(got) >= 24*time.Hour || got.Location() != time.UTC {
			t.Errorf("(%d).Time() = %v, not the first instant of %v", d, got, c.at)
		}
	}
}

// A tag is valid from the day on which it is made to its day of expiry, and expired for 500 days after that, on every day of
// the cycle, before 1970 too. The windows are the usual ones and the largest one.
func TestExpiryIsRightOnEveryDayOfTheCycle(t *testing.T) {
	for _, window := range []int{1, 7, 13, maxWindow} {
		for _, first := range []Day{20000, -1000} {
			for expiry := first; expiry < first+cycle; expiry++ {
				for offset := -window; offset < cycle-window; offset++ {
					today := expiry + Day(offset)
					got, expired := today.until(expiry.ddd(), window)
					if got != expiry || expired != (offset > 0) {
						t.Fatalf("window %d: on day %d a tag of day %d expires on %d, expired %v",
							window, today, expiry, got, expired)
					}
				}
			}
		}
	}
}

// The same through Sign and Verify, with digits, rotation and signature.
func TestTagsAreValidForTheirLifetimeOnEveryDayOfTheCycle(t *testing.T) {
	a := Address{"user", "example.com"}
	for _, o := range []Options{{}, {Lifetime: 1}, {Lifetime: 7, Rotation: 7}, {Lifetime: 10, Rotation: 4}} {
		ring := mustRing(t, o, Key{Number: 3, State: StateSign, Secret: []byte("secret")})
		lifetime, rotation := ring.Options().Lifetime, ring.Options().Rotation
		for today := Day(20500); today < 20500+cycle; today++ {
			signed, err := ring.Sign(a, Standard, today)
			if err != nil {
				t.Fatal(err)
			}
			life := int(signed.Expiry - today)
			if life < lifetime || life > lifetime+rotation-1 || int(signed.Expiry)%rotation != 0 {
				t.Fatalf("%+v: signed on day %d, expires on day %d", ring.Options(), today, signed.Expiry)
			}
			tagged := mustParse(t, signed.Address)
			offsets := []int{cycle / 10, cycle / 2, cycle - rotation - 1, cycle - rotation}
			for offset := range life + 3 {
				offsets = append(offsets, offset)
			}
			for _, offset := range offsets {
				want := Valid
				if offset > life {
					want = Expired
				}
				got := ring.Verify(tagged, today+Day(offset))
				if got.Status != want || got.Expiry != signed.Expiry {
					t.Fatalf("%+v: signed on day %d to expire on day %d, on day %d %v with expiry %d, want %v",
						ring.Options(), today, signed.Expiry, today+Day(offset), got.Status, got.Expiry, want)
				}
			}
		}
	}
}

func TestRotationUsesOneTagForSeveralDays(t *testing.T) {
	ring := mustRing(t, Options{Lifetime: 7, Rotation: 3}, Key{State: StateSign, Secret: []byte("secret")})
	tags := map[string]int{}
	for today := Day(20001); today < 20001+30; today++ {
		signed, err := ring.Sign(Address{"user", "example.com"}, Standard, today)
		if err != nil {
			t.Fatal(err)
		}
		tags[signed.Address]++
	}
	for tag, days := range tags {
		if days != 3 {
			t.Errorf("%s was used for %d days, want 3", tag, days)
		}
	}
	if len(tags) != 10 {
		t.Errorf("%d tags in 30 days, want 10", len(tags))
	}
}

func mustRing(t testing.TB, o Options, keys ...Key) *Ring {
	t.Helper()
	ring, err := NewRing(keys, o)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func mustParse(t testing.TB, s string) Address {
	t.Helper()
	a, err := ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
