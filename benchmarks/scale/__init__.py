"""What many machines change: workers that die, join and leave, and what a run on many of them will take"""
