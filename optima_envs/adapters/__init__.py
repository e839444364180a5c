"""Adapters: pure rules as PettingZoo and Gymnasium environments, with wrappers and drawing."""
