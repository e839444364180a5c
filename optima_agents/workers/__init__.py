"""Workers: dialogues and trees played in other processes, on this machine or on many, under one driver."""
