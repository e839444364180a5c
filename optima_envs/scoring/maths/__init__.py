"""Mathematics: answers spelt and taken apart, then compared by math-verify in processes that can be killed."""
