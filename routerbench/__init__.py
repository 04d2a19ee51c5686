"""Learned LLM routers: train them on a table of outcomes, evaluate them honestly, load them to route.

Dimensions in every docstring: N prompts, M models, D embedding size, K neighbours, L lambdas, B batch, T tokens.
"""
