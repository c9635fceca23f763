package bounce

import "strings"

// findStatus returns the enhanced status code (RFC 3463) in s, or "". Of several it returns the first that follows an SMTP
// reply code or "#", because other numbers look like one. It skips IP addresses and longer version numbers.
func findStatus(s string) string {
	weak := ""
	for i := 0; i+4 < len(s); i++ {
		if c := s[i]; c != '2' && c != '4' && c != '5' || s[i+1] != '.' {
			continue
		}
		if i > 0 && (isAlnum(s[i-1]) || s[i-1] == '.' || s[i-1] == '/') {
			continue
		}
		end := statusEnd(s, i)
		if end < 0 {
			continue
		}
		if afterCode(s, i) {
			return s[i:end]
		}
		if weak == "" {
			weak = s[i:end]
		}
	}
	return weak
}

// statusEnd returns the end of the "n.n.n" at i, or -1: three groups, the last two of one to three digits.
func statusEnd(s string, i int) int {
	k := i + 2
	for range 2 {
		from := k
		for k < len(s) && s[k] >= '0' && s[k] <= '9' {
			k++
		}
		if k == from || k > from+3 {
			return -1
		}
		if from == i+2 {
			if k >= len(s) || s[k] != '.' {
				return -1
			}
			k++
		}
	}
	if k < len(s) && (isAlnum(s[k]) || s[k] == '.' && k+1 < len(s) && isAlnum(s[k+1])) {
		return -1
	}
	return k
}

// afterCode says whether the status at i follows "#" or a reply code of the same class: "550 5.1.1", "550-5.1.1",
// "550 #5.1.1", but not "SMTP;550 <user> 5.1.1".
func afterCode(s string, i int) bool {
	if i > 0 && s[i-1] == '#' {
		return true
	}
	k := i
	for k > 0 && (s[k-1] == ' ' || s[k-1] == '-' || s[k-1] == ':') {
		k--
	}
	return k >= 3 && k < i && s[k-3] == s[i] && isDigit(s[k-2]) && isDigit(s[k-1]) && (k == 3 || !isAlnum(s[k-4]))
}

// quotesReply says whether a line of text is surely the reply of a server: it begins with the reply code, or a status of the
// same class follows the code.
func quotesReply(w *work, text string) bool {
	for text != "" {
		var line string
		line, text = cutLine(text)
		w.items(1)
		w.skim(len(line))
		line = strings.TrimLeft(line[:min(len(line), 512)], " \t>")
		w.look(2 * len(line))
		code := replyCode(line)
		if code == 0 {
			continue
		}
		if status := findStatus(line); status != "" && int(status[0]-'0') == code/100 || replyCode(line[:min(len(line), 4)]) == code {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// replyCode returns the first SMTP reply code in s for a failure, or 0.
func replyCode(s string) int {
	for i := 0; i+2 < len(s); i++ {
		if (s[i] == '4' || s[i] == '5') && s[i+1] <= '5' && isDigit(s[i+1]) && isDigit(s[i+2]) &&
			(i == 0 || strings.IndexByte(" \t:;<'\"([", s[i-1]) >= 0) &&
			(i+3 == len(s) || strings.IndexByte(" \t-:;,#'\"", s[i+3]) >= 0) {
			return int(s[i]-'0')*100 + int(s[i+1]-'0')*10 + int(s[i+2]-'0')
		}
	}
	return 0
}
