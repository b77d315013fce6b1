"""What has to be done to a folder of videos before anything is learned from it.

`scan` finds what cannot be used and `verdicts` is the list of it that other commands respect; `frames` and `transcode`
write videos in another form, both at the steady rates of `rhythm`, file by file as `converting` has it. `official` and
`kinetics` fetch data sets: with `downloads`, `unpacking` and the installed `programs`. `pool` does several at once.
"""
