package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/inspect"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// revokeCmd holds what can be done about tags that an attacker has harvested, or made.
type revokeCmd struct {
	Tag    revokeTagCmd    `cmd:"" help:"Revoke one tag."`
	Sender revokeSenderCmd `cmd:"" help:"Revoke all tags of a sender that were issued until now."`
	Key    revokeKeyCmd    `cmd:"" help:"Revoke all tags made with a key."`
	List   revokeListCmd   `cmd:"" help:"List what is revoked."`
	Remove revokeRemoveCmd `cmd:"" help:"Remove a revocation."`
}

// Help is shown by revoke --help.
func (revokeCmd) Help() string {
	return `Bounces to a revoked tag are refused, unless their content proves that they answer mail that the recipient sent: the Message-ID of
mail that was sent with the tag is on record. Ordinary mail to the address is delivered. All daemons that share the store
have a revocation within seconds. A revocation ends by itself when all that it revokes has expired.`
}

// revokeDelay says how soon a revocation is in effect.
const revokeDelay = "running daemons have it within seconds"

// revokeFlags are those of all commands that revoke something.
type revokeFlags struct {
	siteFlags
	Note string `placeholder:"TEXT" help:"Why; revoke list prints it."`
}

// revoker is what the commands need to revoke something.
type revoker struct {
	config *config.Config
	keys   *keyring.Keyring
	ring   *prvs.Ring
	hasher *store.Hasher
	store  control.Store
}

// withRevoker calls do with a revoker. Secrets of keys that cannot be read are done without: such a key can be revoked, too.
func (f *siteFlags) withRevoker(ctx context.Context, a *app, do func(r *revoker) error) error {
	c, keys, ring, err := f.loadRing(a, keyring.LoadUsable)
	if err != nil {
		return err
	}
	secret, problems := site.HashSecret(c)
	if len(problems) > 0 {
		return problems
	}
	st, err := control.Open(ctx, c, a.openStore, a.now)
	if err != nil {
		return err
	}
	r := &revoker{config: c, keys: keys, ring: ring, hasher: store.NewHasher(secret), store: st}
	return errors.Join(do(r), st.Close())
}

// publish revokes something and prints that it did.
func (f *revokeFlags) publish(ctx context.Context, a *app, r *revoker, x *policy.Revocation, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	tombstones, err := r.store.Broadcasts(ctx, view.TombstoneTopic, store.DayOf(a.now()))
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	x.At, x.Note = r.history().RevokedAt(r.hasher, x, tombstones, a.now().UTC()), f.Note
	n, err := view.SealRevocation(r.hasher, x)
	if err != nil {
		return usageError{err}
	}
	if _, err := r.store.Publish(ctx, n, false); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	a.report(hint, "revoked %v; ID %s, in effect until %v", x, n.Name, n.Expires)
	return nil
}

// ours parses an address in one of the domains: no other is signed, so that another one is a mistake.
func (r *revoker) ours(address string) (prvs.Address, error) {
	parsed, err := prvs.ParseAddress(strings.Trim(address, "<>"))
	if err != nil {
		return prvs.Address{}, negative{err}
	}
	if parsed.Domain == "" {
		return prvs.Address{}, negative{fmt.Errorf("%q has no domain: name all of the address", cut(address))}
	}
	if _, ours := r.config.Domain(parsed.Domain); !ours {
		return prvs.Address{}, negative{fmt.Errorf("%q is not one of the domains configured", cut(parsed.Domain))}
	}
	return parsed, nil
}

type revokeTagCmd struct {
	revokeFlags
	Address string `arg:"" help:"The tagged address, as the bounces have it in RCPT TO."`
}

// Run implements the command.
func (cmd *revokeTagCmd) Run(ctx context.Context, a *app) error {
	return cmd.withRevoker(ctx, a, func(r *revoker) error { return cmd.do(ctx, a, r) })
}

func (cmd *revokeTagCmd) do(ctx context.Context, a *app, r *revoker) error {
	address, err := r.ours(cmd.Address)
	if err != nil {
		return err
	}
	tag := r.config.Domains().Verify(r.ring, address, prvs.DayOf(a.now()))
	switch tag.Status {
	case prvs.Valid:
	case prvs.Untagged:
		err := fmt.Errorf("%q carries no tag", cut(cmd.Address))
		return negative{remedy.With(err, "bouncefilter revoke sender revokes all tags of a sender")}
	case prvs.Expired:
		return negative{fmt.Errorf("the tag of %q expired after %v: bounces to it are refused anyway", cut(cmd.Address), tag.Expiry)}
	default:
		return negative{fmt.Errorf("%q carries no tag that was made with a key of this site (%v): bounces to it are refused anyway",
			cut(cmd.Address), tag.Status)}
	}
	return cmd.publish(ctx, a, r, &policy.Revocation{
		Kind: policy.RevokedTag, Sender: tag.Sender.Fold().String(), Number: tag.Number, Until: tag.Expiry, Expires: tag.Expiry,
	}, revokeDelay)
}

type revokeSenderCmd struct {
	revokeFlags
	Address string `arg:"" help:"The sender, without a tag."`
}

// Help is shown by revoke sender --help.
func (revokeSenderCmd) Help() string {
	return `All tags of the sender that expire no later than the one that is issued today are revoked. Mail that the sender sends later today
(or until the tag changes, with tag_rotation) carries the same tag: a genuine bounce of it is accepted by its Message-ID.`
}

// Run implements the command.
func (cmd *revokeSenderCmd) Run(ctx context.Context, a *app) error {
	return cmd.withRevoker(ctx, a, func(r *revoker) error { return cmd.do(ctx, a, r) })
}

func (cmd *revokeSenderCmd) do(ctx context.Context, a *app, r *revoker) error {
	address, err := r.ours(cmd.Address)
	if err != nil {
		return err
	}
	signed, err := r.config.Domains().Sign(r.ring, address, prvs.Standard, prvs.DayOf(a.now()))
	if errors.Is(err, prvs.ErrTagged) {
		return negative{remedy.With(fmt.Errorf("%q carries a tag", cut(cmd.Address)), "bouncefilter revoke tag revokes it")}
	}
	if errors.Is(err, prvs.ErrNoKey) {
		return negative{remedy.With(fmt.Errorf("%q: no key signs for it, or its key cannot be read", cut(cmd.Address)), "bouncefilter key list shows the keys; revoke key revokes the tags of all senders")}
	}
	if err != nil {
		return negative{fmt.Errorf("%q: %w", cut(cmd.Address), err)}
	}
	return cmd.publish(ctx, a, r, &policy.Revocation{
		Kind: policy.RevokedSender, Sender: r.config.Domains().Mailbox(address).String(), Until: signed.Expiry, Expires: signed.Expiry,
	}, revokeDelay)
}

type revokeKeyCmd struct {
	revokeFlags
	Domain string `placeholder:"D" help:"Domain of the key, if it is for one domain only."`
	Number int    `arg:"" name:"number" help:"Key number."`
}

// Help is shown by revoke key --help.
func (revokeKeyCmd) Help() string {
	return `For a key that an attacker may have. Let another one sign first (key rotate --wait): mail that is still signed with a revoked key has
its bounces accepted only if they name its Message-ID.`
}

// keyDays is for how many days a key stays revoked at least. It is more than most tags live.
const keyDays = 60

// Run implements the command.
func (cmd *revokeKeyCmd) Run(ctx context.Context, a *app) error {
	return cmd.withRevoker(ctx, a, func(r *revoker) error { return cmd.do(ctx, a, r) })
}

func (cmd *revokeKeyCmd) do(ctx context.Context, a *app, r *revoker) error {
	if cmd.Number < 0 || cmd.Number > 9 {
		return usageError{fmt.Errorf("%d is not a digit from 0 to 9", cmd.Number)}
	}
	key, listed := r.keys.Find(uint8(cmd.Number), cmd.Domain)
	if !listed {
		return negative{remedy.With(fmt.Errorf("no key has the number %d", cmd.Number),
			"bouncefilter key list shows the keys; --domain names the domain of one that is for one domain only")}
	}
	hint := revokeDelay
	if key.State == prvs.StateSign {
		hint += "; the key still signs: bouncefilter key rotate lets another one do it"
	}
	days := max(keyDays, r.ring.Options().Window()) + r.config.Settings.Proofs.Retention
	return cmd.publish(ctx, a, r, &policy.Revocation{
		Kind: policy.RevokedKey, Number: key.Number, Domain: prvs.FoldDomain(key.Domain), Expires: prvs.DayOf(a.now()) + prvs.Day(days),
	}, hint)
}

type revokeListCmd struct {
	siteFlags
	JSON bool `name:"json" help:"Print a JSON array."`
}

// listedRevocation is a revocation as it is listed.
type listedRevocation struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Address string `json:"address"` // of a tag or a sender
	Key     *int   `json:"key"`     // number; of a tag or a key
	Domain  string `json:"domain"`  // of a key
	Until   string `json:"until"`   // YYYY-MM-DD: last day of the tags that are revoked; "" for a key
	Revoked string `json:"revoked"` // when
	Expires string `json:"expires"` // YYYY-MM-DD: last day on which it is in effect
	Note    string `json:"note"`
}

// Run implements the command.
func (cmd *revokeListCmd) Run(ctx context.Context, a *app) error {
	return cmd.withRevoker(ctx, a, func(r *revoker) error { return cmd.do(ctx, a, r) })
}

func (cmd *revokeListCmd) do(ctx context.Context, a *app, r *revoker) error {
	ns, err := r.broadcasts(ctx, a)
	if err != nil {
		return err
	}
	list := make([]listedRevocation, 0, len(ns))
	words := map[string]string{}
	for _, n := range ns {
		x, err := view.OpenRevocation(r.hasher, n)
		if err != nil {
			fmt.Fprintf(a.stderr, "hint: the revocation %s cannot be understood: %v\n", inspect.OneLine(n.Name), err)
			continue
		}
		list, words[n.Name] = append(list, listRevocation(n, x)), x.String()
	}
	if cmd.JSON {
		return printJSON(a.stdout, list)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tREVOKED\tLAST DAY\tWHAT\tNOTE")
	for _, l := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.ID, l.Revoked, l.Expires, inspect.OneLine(words[l.ID]), inspect.OneLine(orDash(l.Note, "-")))
	}
	return w.Flush()
}

// history returns what this host remembers: nothing if it cannot be read, or if no daemon was started here.
func (r *revoker) history() view.History {
	h, err := view.LoadHistory(r.config.HistoryFile())
	if err != nil {
		return view.History{}
	}
	return h
}

// broadcasts returns the broadcasts of revocations that are in effect, the oldest first as far as they can be read.
func (r *revoker) broadcasts(ctx context.Context, a *app) ([]store.Broadcast, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	ns, err := r.history().InEffect(ctx, r.store, r.hasher, store.DayOf(a.now()))
	if err != nil {
		return nil, fmt.Errorf("revoke: %w", err)
	}
	at := func(n store.Broadcast) string {
		if x, err := view.OpenRevocation(r.hasher, n); err == nil {
			return x.At.UTC().Format(time.RFC3339) + n.Name
		}
		return n.Name
	}
	slices.SortFunc(ns, func(a, b store.Broadcast) int { return strings.Compare(at(a), at(b)) })
	return ns, nil
}

func listRevocation(n store.Broadcast, x *policy.Revocation) listedRevocation {
	l := listedRevocation{ID: n.Name, Kind: string(x.Kind), Address: x.Sender, Domain: x.Domain,
		Revoked: x.At.UTC().Format(time.RFC3339), Expires: n.Expires.String(), Note: x.Note}
	if x.Kind != policy.RevokedSender {
		number := int(x.Number)
		l.Key = &number
	}
	if x.Kind != policy.RevokedKey {
		l.Until = x.Until.String()
	}
	return l
}

type revokeRemoveCmd struct {
	siteFlags
	ID string `arg:"" name:"id" help:"The ID, as revoke list shows it."`
}

// Run implements the command. It also removes what cannot be understood.
func (cmd *revokeRemoveCmd) Run(ctx context.Context, a *app) error {
	return cmd.withRevoker(ctx, a, func(r *revoker) error { return cmd.do(ctx, a, r) })
}

func (cmd *revokeRemoveCmd) do(ctx context.Context, a *app, r *revoker) error {
	ns, err := r.broadcasts(ctx, a)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(ns, func(n store.Broadcast) bool { return n.Name == cmd.ID })
	if i < 0 {
		err := errors.New("no revocation has the ID " + strconv.Quote(cut(cmd.ID)))
		return negative{remedy.With(err, "bouncefilter revoke list shows what is revoked")}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	// The tombstone comes first, so that no daemon takes the revocation for lost and publishes it again.
	// It is later than the revocation, which may come from a host whose clock is ahead.
	at := a.now().UTC()
	if x, err := view.OpenRevocation(r.hasher, ns[i]); err == nil && at.Before(x.At) {
		at = x.At
	}
	tombstone, err := view.SealTombstone(r.hasher, cmd.ID, view.Removal{At: at, Expires: max(ns[i].Expires, store.DayOf(a.now())+view.TombstoneDays)})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if _, err := r.store.Publish(ctx, tombstone, false); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if err := r.store.Withdraw(ctx, view.RevocationTopic, cmd.ID); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	a.report(revokeDelay, "removed %s", cmd.ID)
	return nil
}
