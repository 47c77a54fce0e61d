"""An organisation's catalogue: which losses it uses, under which names, and who is responsible.

`lossplug.toml` is read by `reading`, is checked by `model`, and answers the registry's questions in
`active`.
"""
