"""Tree search: dialogue trees and the preference pairs in them (the data of DPO)."""
