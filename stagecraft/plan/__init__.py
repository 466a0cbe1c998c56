"""Plans: what a deploy would do, as data, from the project's files alone."""

from stagecraft.plan.model import Plan, ServicePlan
from stagecraft.plan.planner import make_plan

__all__ = ["Plan", "ServicePlan", "make_plan"]
