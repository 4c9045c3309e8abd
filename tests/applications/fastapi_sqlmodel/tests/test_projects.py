from datetime import date

from app.reminders import reminders


def test_projects(client, boss):
    new = {"name": "Rocket", "budget": 100}
    project = client.post("/projects", json=new, headers=boss).json()
    assert project == {"id": 1, **new}
    assert client.get("/projects", headers=boss).json() == [project]
    assert client.get("/projects/1", headers=boss).json() == project

    changed = client.patch("/projects/1", json={"budget": 200}, headers=boss).json()
    assert changed == {"id": 1, "name": "Rocket", "budget": 200}
    assert client.get("/activities", headers=boss).json() == ["boss@acme.test created Rocket"]


def test_a_project_is_deleted_with_its_tasks(client, boss):
    client.post("/projects", json={"name": "Rocket"}, headers=boss)
    client.post("/tasks", json={"title": "Fuel", "project_id": 1}, headers=boss)
    client.post("/tasks/1/comments", json={"text": "Hydrogen"}, headers=boss)
    assert client.delete("/projects/1", headers=boss).status_code == 204
    assert client.get("/projects/1", headers=boss).status_code == 404
    assert client.get("/tasks/1", headers=boss).status_code == 404
    assert client.get("/tasks/1/comments", headers=boss).json() == []


def test_tasks(client, boss):
    client.post("/projects", json={"name": "Rocket"}, headers=boss)
    task = client.post("/tasks", json={"title": "Fuel", "project_id": 1}, headers=boss).json()
    assert client.get("/tasks/1", headers=boss).json() == task
    assert client.get("/projects/1/tasks", headers=boss).json() == [task]

    change = {"assignee_id": 1, "done": True}
    assert client.patch("/tasks/1", json=change, headers=boss).json() == {**task, **change}


def test_a_task_needs_a_project_and_an_assignee_who_exist(client, boss):
    client.post("/projects", json={"name": "Rocket"}, headers=boss)
    wrong = {"title": "Fuel", "project_id": 7}
    assert client.post("/tasks", json=wrong, headers=boss).status_code == 404
    right = {"title": "Fuel", "project_id": 1}
    assert client.post("/tasks", json=right, headers=boss).status_code == 201
    assert client.patch("/tasks/2", json={"assignee_id": 7}, headers=boss).status_code == 404


def test_tasks_are_found_by_their_comments(client, boss):
    client.post("/projects", json={"name": "Rocket"}, headers=boss)
    for title in ("Fuel", "Paint"):
        client.post("/tasks", json={"title": title, "project_id": 1}, headers=boss)
    comment = client.post("/tasks/2/comments", json={"text": "Red!"}, headers=boss).json()
    assert comment == {"id": 1, "task_id": 2, "author_id": 1, "text": "Red!"}

    found = client.get("/tasks?search=Red", headers=boss).json()
    assert [task["title"] for task in found] == ["Paint"]
    assert len(client.get("/tasks", headers=boss).json()) == 2
    assert client.delete("/comments/1", headers=boss).status_code == 204
    assert client.get("/tasks?search=Red", headers=boss).json() == []


def test_reports(client, boss):
    client.post("/projects", json={"name": "Rocket", "budget": 5}, headers=boss)
    client.post("/tasks", json={"title": "Fuel", "project_id": 1}, headers=boss)
    client.post("/projects", json={"name": "Plane", "budget": 6}, headers=boss)

    assert client.get("/export.csv", headers=boss).text == (
        "project,task,done\r\nRocket,Fuel,False\r\nPlane,,\r\n"
    )
    numbers = client.get("/statistics", headers=boss).json()
    assert numbers == {"projects": 2, "tasks": 1, "open_tasks": 1, "budget": 11}
    assert client.get("/busiest", headers=boss).json() == [{"project": "Rocket", "tasks": 1}]


def test_reminders_go_to_all_organizations(client, sign_up):
    for number, name in enumerate(("acme", "globex"), 1):
        headers = sign_up(name)
        client.post("/projects", json={"name": "Rocket"}, headers=headers)
        task = {"title": name, "project_id": number, "assignee_id": number, "due": "2026-01-01"}
        client.post("/tasks", json=task, headers=headers)
    sent = client.portal.call(reminders, date(2026, 1, 2))
    assert sent == [("boss@acme.test", "acme"), ("boss@globex.test", "globex")]
