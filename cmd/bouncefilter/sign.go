package main

type signCmd struct{}

func (signCmd) Run() error { return nil }
