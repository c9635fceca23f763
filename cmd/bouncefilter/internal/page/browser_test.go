package page

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// required says whether a missing browser fails the test; deploy/test sets it.
func required() bool { return os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" }

// missing skips the test, or fails it.
func missing(t *testing.T, what string) {
	t.Helper()
	if required() {
		t.Fatal(what + " is missing; deploy/test installs it")
	}
	t.Skip(what + " is missing; deploy/test installs it")
}

// browser is a Chromium without a window, for all tabs of a test. chromedp drives it over a pipe: it needs no driver beside it, no port and
// no Node, and brings the protocol alone. No program of ours imports it.
type browser struct {
	context.Context
	axe string // the text of axe-core
}

func startBrowser(t *testing.T) browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium")
	}
	axe, err := os.ReadFile(os.Getenv("BOUNCEFILTER_AXE"))
	if err != nil {
		missing(t, "axe-core ($BOUNCEFILTER_AXE)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run with one as root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel) // ends the process, and waits for it
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("end the browser: %v", err)
		}
		end()
	})
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // whose context the browser lives as long as
		t.Fatal(err)
	}
	return browser{ctx, string(axe)}
}

// tab is a tab of the browser that notes what a page must not do.
type tab struct {
	context.Context
	faults chan string
}

// tab opens a tab that shows pages of home at a width and in a colour scheme.
func (b browser) tab(t *testing.T, home string, width int64, scheme string) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.Context)
	t.Cleanup(cancel)
	w := tab{ctx, make(chan string, 100)}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			w.faults <- fmt.Sprintf("console: %s", e.Type)
		case *runtime.EventExceptionThrown:
			w.faults <- "exception: " + e.ExceptionDetails.Text
		case *log.EventEntryAdded:
			w.faults <- fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; !strings.HasPrefix(u, home+"/") && !strings.HasPrefix(u, "data:") {
				w.faults <- "request to elsewhere: " + u
			}
		}
	})
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	}
	if err == nil {
		err = chromedp.Do(ctx, chromedp.EmulateViewport(width, 900))
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// violations returns what axe-core finds wrong. It runs in a world of its own, which the Content-Security-Policy does not govern.
func (w tab) violations(axe string) ([]string, error) {
	tree, err := chromedp.Call(w, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return nil, err
	}
	world, err := chromedp.Call(w, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "axe"})
	if err != nil {
		return nil, err
	}
	const run = `;axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify({passes: r.passes.length,
		violations: r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + n.failureSummary).join(" | "))}))`
	yes := true
	result, err := chromedp.Call(w, runtime.Evaluate, runtime.EvaluateParams{Expression: axe + run, ContextID: world.ExecutionContextID,
		AwaitPromise: &yes, ReturnByValue: &yes})
	if err != nil || result.ExceptionDetails != nil {
		return nil, fmt.Errorf("run axe-core: %v, %v", err, result.ExceptionDetails)
	}
	var text string
	if err := json.Unmarshal(result.Result.Value, &text); err != nil {
		return nil, err
	}
	var r struct {
		Passes     int
		Violations []string
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, err
	}
	if r.Passes < 10 {
		return nil, fmt.Errorf("axe-core looked at %d rules only", r.Passes)
	}
	return r.Violations, nil
}

// do runs actions.
func (w tab) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(w, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// run runs an action, and returns its value.
func run[T any](t *testing.T, w tab, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(w, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// faultsNow returns what was noted.
func (w tab) faultsNow() (faults []string) {
	for {
		select {
		case f := <-w.faults:
			faults = append(faults, f)
		default:
			return faults
		}
	}
}

// Each state of the page can be read in both colour schemes, on a phone and on a desktop: nothing runs over the edge, no rule of axe-core
// is broken, nothing is asked of elsewhere. With $BOUNCEFILTER_SCREENSHOTS, pictures are left in that folder.
func TestPageInABrowser(t *testing.T) {
	b := startBrowser(t)
	pictures := os.Getenv("BOUNCEFILTER_SCREENSHOTS")
	for name, state := range states {
		l, s := state()
		server := httptest.NewServer(show(t, l, s))
		t.Cleanup(server.Close)
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{360, 1280} {
				t.Run(fmt.Sprintf("%s-%s-%d", name, scheme, width), func(t *testing.T) {
					w := b.tab(t, server.URL, width, scheme)
					w.do(t, chromedp.Navigate(server.URL+"/"))
					seen := run(t, w, chromedp.Evaluate[[]int64](`for (const d of document.querySelectorAll("details")) d.open = true;
						[document.documentElement.scrollWidth, window.innerWidth]`))
					if len(seen) != 2 || seen[0] > seen[1] || seen[1] != width {
						t.Errorf("width of the page and of the window: %v", seen)
					}
					paper, title := run(t, w, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`)), run(t, w, chromedp.Title())
					if dark := paper == "rgb(21, 24, 27)"; dark != (scheme == "dark") {
						t.Errorf("the background is %s", paper)
					}
					if !strings.Contains(title, "bouncefilter on mx1") {
						t.Errorf("title %q", title)
					}
					violations, err := w.violations(b.axe)
					if err != nil {
						t.Fatal(err)
					}
					for _, v := range violations {
						t.Errorf("axe-core: %s", v)
					}
					for _, f := range w.faultsNow() {
						t.Error(f)
					}
					if pictures == "" {
						return
					}
					w.do(t, chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = false`))
					png := run(t, w, chromedp.FullScreenshot(100))
					if err := os.WriteFile(filepath.Join(pictures, fmt.Sprintf("%s-%s-%d.png", name, scheme, width)), png, 0o644); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// The form is filled in and sent, by click and by the keyboard; the tables of the charts open at a click.
func TestFormAndTablesInABrowser(t *testing.T) {
	b := startBrowser(t)
	l, s := busy()
	p := show(t, l, s)
	server := httptest.NewServer(p)
	defer server.Close()
	valid := tagged(t, "user@example.com", prvs.DayOf(noon))
	for _, width := range []int64{360, 1280} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			w := b.tab(t, server.URL, width, "light")
			const open = `document.querySelector("details").open`
			w.do(t, chromedp.Navigate(server.URL+"/"))
			before := run(t, w, chromedp.Evaluate[bool](open))
			w.do(t, chromedp.Click(chromedp.CSS("summary")))
			after := run(t, w, chromedp.Evaluate[bool](open))
			w.do(t, chromedp.SendKeys(chromedp.CSS("#address"), valid), chromedp.Click(chromedp.CSS("form button")), chromedp.WaitVisible(chromedp.CSS(".judgement")))
			first, address := run(t, w, chromedp.Text(chromedp.CSS(".judgement"))), run(t, w, chromedp.Location())
			top := run(t, w, chromedp.Evaluate[float64](`document.querySelector("#judge").getBoundingClientRect().top`))
			w.do(t, chromedp.SetValue(chromedp.CSS("#address"), "prvs=1336abcdef=user@example.com"),
				chromedp.SendKeys(chromedp.CSS("#address"), kb.Enter), chromedp.WaitVisible(chromedp.CSS(".judgement.amber")))
			second := run(t, w, chromedp.Text(chromedp.CSS(".judgement")))
			if before || !after {
				t.Errorf("the table of a chart is open: %t, then %t", before, after)
			}
			if !strings.Contains(first, "valid user@example.com, key 1, expires 2026-12-07") || !strings.Contains(first, "was made here") {
				t.Errorf("a valid tag: %q", first)
			}
			if !strings.Contains(second, "bad-signature user@example.com") || !strings.Contains(second, "was not made here") {
				t.Errorf("a wrong tag: %q", second)
			}
			if strings.Contains(address, "user") {
				t.Errorf("the address is in the location %s", address)
			}
			if top < 0 || top > 850 {
				t.Errorf("the answer is out of sight, at %v", top)
			}
			for _, f := range w.faultsNow() {
				t.Error(f)
			}
		})
	}
}
