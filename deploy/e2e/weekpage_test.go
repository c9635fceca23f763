package e2e

import (
	"bytes"
	"context"
	"flag"
	"html"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// picturesFolder is where the pictures of the manual go; deploy/pictures sets it.
var picturesFolder = flag.String("pictures", "", "folder for pictures of the page and the report of the week")

var (
	pageTable = regexp.MustCompile(`(?s)aria-label="([^"]*), as a table".*?</table>`)
	pageRow   = regexp.MustCompile(`<th scope="row">([^<]*?)(?: <[^>]*>[^<]*</span>)?</th><td class="number">([^<]*)</td><td class="number">([^<]*)</td><td class="number">([^<]*)</td>`)
)

// testPage holds the tables beside the charts of the page to what is known of the mail.
func (w *week) testPage(t *testing.T) {
	status, text := w.daemon.get("/")
	if status != 200 {
		t.Fatalf("status %d: %s", status, text)
	}
	hours, days := map[string]*weekCounts{}, map[string]*weekCounts{}
	for _, m := range w.mail {
		for layout, of := range map[string]map[string]*weekCounts{"Mon 2 Jan 15:04": hours, "Mon 2 Jan 2006": days} {
			key := m.at.Format(layout)
			if of[key] == nil {
				of[key] = &weekCounts{}
			}
			*m.outcome(of[key])++
		}
	}
	tables := pageTable.FindAllStringSubmatch(text, -1)
	if len(tables) != 2 {
		t.Fatalf("%d tables of charts", len(tables))
	}
	for i, of := range []map[string]*weekCounts{hours, days} {
		rows := pageRow.FindAllStringSubmatch(tables[i][0], -1)
		if len(rows) != []int{48, 28}[i] {
			t.Errorf("%s has %d rows", tables[i][1], len(rows))
		}
		seen := 0
		for _, row := range rows {
			c := of[row[1]]
			if c == nil {
				c = &weekCounts{}
			} else {
				seen++
			}
			if want := []string{itoa(c.Accepted), itoa(c.WouldBe), itoa(c.Refused)}; !slices.Equal(row[2:], want) {
				t.Errorf("%s: the page has %v, want %v", row[1], row[2:], want)
			}
		}
		if seen < 7 {
			t.Errorf("%s has only %d of the week's periods", tables[i][1], seen)
		}
	}
}

// takePictures takes the pictures of the manual, if there is a folder for them.
func (w *week) takePictures(t *testing.T) {
	if *picturesFolder == "" || w.redis != nil {
		t.Skip("no folder for pictures")
	}
	report, status := w.run(t, "report", "--config", w.daemon.config)
	if status != 0 {
		t.Fatal(report)
	}
	report = strings.ReplaceAll(report, " -c "+w.daemon.config, "")
	failures, _ := w.run(t, "report", "--failures", "--config", w.daemon.config)
	next, _ := w.run(t, "report", "--next", "--config", w.daemon.config)
	backtest, _ := w.run(t, "backtest", "--since", w.first.Format(time.DateOnly), "--domain", "example.com", "--domain", "example.org", "--domain", "example.net", w.savedMail(t), w.savedLog(t))
	t.Logf("the report:\n%s\n%s\n%s\n%s", report, failures, next, backtest)
	terminal := "data:text/html," + url.PathEscape(`<meta charset=utf-8><style>body{margin:0;background:#1b1d21}pre{margin:0;padding:16px 20px;width:80ch;font:15px/1.35 "DejaVu Sans Mono",monospace;color:#e4e6ea}</style><pre>`+
		"$ bouncefilter report\n"+html.EscapeString(report)+"</pre>")
	home := w.usualPage(t)
	b := startChromium(t)
	for _, p := range []struct {
		name, address, scheme string
		width, height         int64
	}{
		{"page-light", home, "light", 1280, 1500},
		{"page-dark", home, "dark", 1280, 1500},
		{"page-phone", home, "light", 360, 1500},
		{"report", terminal, "dark", 780, 540},
	} {
		b.picture(t, p.name, p.address, p.scheme, p.width, p.height)
	}
}

// usualPage serves the page as it is where the configuration has its usual path.
func (w *week) usualPage(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: w.daemon.http})
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(r *http.Response) error {
			text, err := io.ReadAll(r.Body)
			_ = r.Body.Close()
			text = bytes.ReplaceAll(text, []byte(" -c "+w.daemon.config), nil)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", itoa(len(text)))
			return err
		},
	})
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// startChromium starts a browser, which ends with the test.
func startChromium(t *testing.T) chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing; deploy/test installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox)
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	return chromium{ctx}
}

type chromium struct{ context.Context }

// picture takes a picture of the top of what an address shows.
func (b chromium) picture(t *testing.T, name, address, scheme string, width, height int64) {
	t.Helper()
	_, err := chromedp.Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	if err == nil {
		err = chromedp.Do(b, chromedp.EmulateViewport(width, height), chromedp.Navigate(address))
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(b, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewColours(picture)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*picturesFolder, name+".png"), small.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %v, %d octets", name, picture.Bounds().Max, small.Len())
}

// fewColours returns a picture with its 256 most frequent colours alone, which takes half the space.
func fewColours(from image.Image) image.Image {
	times := map[color.RGBA]int{}
	b := from.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			times[at(x, y)]++
		}
	}
	colours := make([]color.RGBA, 0, len(times))
	for c := range times {
		colours = append(colours, c)
	}
	slices.SortFunc(colours, func(a, b color.RGBA) int {
		if times[a] != times[b] {
			return times[b] - times[a]
		}
		return (int(a.R)-int(b.R))<<16 + (int(a.G)-int(b.G))<<8 + int(a.B) - int(b.B)
	})
	var palette color.Palette
	for _, c := range colours[:min(len(colours), 256)] {
		palette = append(palette, c)
	}
	nearest := map[color.RGBA]uint8{}
	to := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := at(x, y)
			i, known := nearest[c]
			if !known {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	return to
}
