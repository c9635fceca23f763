module github.com/bouncefilter/bouncefilter

go 1.26
