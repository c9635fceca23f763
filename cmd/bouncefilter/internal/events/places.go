package events

import (
	"net/url"

	"github.com/bouncefilter/bouncefilter/store/open"
)

// Place is a sink in words that hold no password: its name in log and metrics, and where it is.
type Place struct{ Sink, Where string }

// Places returns where events go. Of the URL of a hook it shows only the host: any other part may be secret.
func (s *Sinks) Places() []Place {
	var all []Place
	if s.File != "" {
		all = append(all, Place{"file", s.File})
	}
	if s.HTTP != "" {
		where := "(hidden)"
		if u, err := url.Parse(s.HTTP); err == nil {
			where = u.Scheme + "://" + u.Host
		}
		signed := ", signed"
		if len(s.Secret) == 0 {
			signed = ", not signed"
		}
		all = append(all, Place{"http", where + signed})
	}
	if s.Redis != "" {
		all = append(all, Place{"redis", open.Redacted(s.Redis) + ", stream " + s.Stream})
	}
	return all
}
